// The page of a host: the official AppBridge, whose schemas judge every message of the player.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const CAPABILITIES = { openLinks: {}, downloadFile: {}, serverTools: {}, serverResources: {}, logging: {},
  updateModelContext: { text: {}, image: {} }, sandbox: {} };

async function ask(method, params) {
  const answer = await (await fetch("/rpc", { method: "POST", body: JSON.stringify({ method, params }) })).json();
  if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer.result;
}

window.faults = [];
window.seen = { calls: [], downloads: [], links: [], modes: [], told: [], sizes: [], reads: 0, readsAtOnce: 0, largestRead: 0 };
let reading = 0;

function listen(bridge, frame) {
  const { seen } = window;
  bridge.oncalltool = (params) => { seen.calls.push(params); return ask("tools/call", params); };
  bridge.onreadresource = async (params) => {
    seen.reads++;
    seen.readsAtOnce = Math.max(seen.readsAtOnce, ++reading);
    try {
      const answer = await ask("resources/read", params);
      seen.largestRead = Math.max(seen.largestRead, answer.contents[0].blob.length);
      return answer;
    } finally { reading--; }
  };
  bridge.ondownloadfile = async (params) => { seen.downloads.push(params); return {}; };
  bridge.onopenlink = async (params) => { seen.links.push(params.url); return {}; };
  bridge.onupdatemodelcontext = async (params) => { seen.told.push(params); return {}; };
  bridge.onrequestdisplaymode = async ({ mode }) => { seen.modes.push(mode); return { mode }; };
  bridge.onsizechange = ({ height }) => { seen.sizes.push(height); frame.style.height = `${height}px`; };
  bridge.onerror = (error) => window.faults.push(String(error));
}

/* Show the page of the player as a host does: in two frames, the inner one without an origin. */
window.mount = async ({ page, capabilities, context, width, proxy, input, result }) => {
  const offered = Object.fromEntries(Object.entries({ ...CAPABILITIES, ...capabilities }).filter(([, value]) => value !== null));
  const bridge = window.bridge = new AppBridge(null, { name: "tests", version: "1" }, offered, { hostContext: context });
  window.context = context;
  const frame = document.createElement("iframe");
  frame.style = `border: 0; display: block; width: ${width}px; height: 60px`;
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
  frame.allow = "clipboard-write";
  listen(bridge, frame);
  const { csp, permissions } = page._meta.ui;
  bridge.onsandboxready = () => bridge.sendSandboxResourceReady({ html: page.text, csp, permissions });
  const initialized = new Promise((resolve) => { bridge.oninitialized = resolve; });
  document.body.replaceChildren(frame);
  frame.src = proxy;
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await initialized;
  if (input) await bridge.sendToolInput({ arguments: input });
  if (result) await bridge.sendToolResult(result);
  return { app: bridge.getAppVersion(), capabilities: bridge.getAppCapabilities() };
};
window.changeContext = (change) => { window.context = { ...window.context, ...change }; window.bridge.setHostContext(window.context); };
