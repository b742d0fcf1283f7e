// The TypeScript SDK, 1.x or 2.x: a video, a refusal, a cancelled call, an early end.
// node typescript.mjs <era> <package> <folder it is installed in> <command of the server>

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const [era, name, box, command, ...args] = process.argv.slice(2);
const require = createRequire(join(box, "package.json"));
const first = name === "@modelcontextprotocol/sdk";
const { Client } = require(first ? `${name}/client/index.js` : name);
const { StdioClientTransport } = require(first ? `${name}/client/stdio.js` : `${name}/stdio`);
// After so long, a call of a video that is not finished is under way.
const IN_FLIGHT_MILLISECONDS = 700;

let heard = 0;
const transport = new StdioClientTransport({ command, args, env: process.env });
const client = new Client(
  { name: "journey", version: "1.0.0" },
  first ? {} : { versionNegotiation: { mode: era } },
);
// Version 1 hides which protocol was agreed on; it tells it to transports that ask for it.
let agreed;
transport.setProtocolVersion = (version) => (agreed = version);

function call(tool, values, more = {}) {
  const params = { name: tool, arguments: values };
  const options = { onprogress: () => heard++, ...more };
  return first ? client.callTool(params, undefined, options) : client.callTool(params, options);
}

async function read(tool, values) {
  return (await call(tool, values)).structuredContent;
}

function query(task_id, more) {
  return call("query_video_generation", { task_id, wait_seconds: 45 }, more);
}

// A call that is under way, and how it ends.
async function start(task_id, more) {
  let ended;
  const answer = query(task_id, more).then(() => "answered", () => "ended");
  answer.then((how) => (ended = how));
  await pause(IN_FLIGHT_MILLISECONDS);
  if (ended) throw new Error(`The call was not under way: ${ended}`);
  return { answer };
}

await client.connect(transport);
const { tools } = await client.listTools();
const job = await read("generate_video", { prompt: "The sun sets over the lake" });
const status = (await query(job.task_id)).structuredContent;
const video = await read("retrieve_video_file", { file_id: status.file_id });
const refused = await call("query_video_generation", { task_id: job.task_id, wait_seconds: 400 });

const unfinished = (await read("generate_video", { prompt: "Rain falls on the lake" })).task_id;
const given_up = new AbortController();
const cancelled = await start(unfinished, { signal: given_up.signal });
given_up.abort("the person gave up");
await cancelled.answer;
const listed = await read("list_video_tasks", { limit: 1 });
await start(unfinished);
await client.close();

const described = readFileSync(join(box, "node_modules", name, "package.json"), "utf-8");
console.log(
  JSON.stringify({
    version: JSON.parse(described).version,
    protocol: first ? agreed : client.getNegotiatedProtocolVersion() ?? agreed,
    tools: tools.map((tool) => tool.name),
    path: video.path,
    cuts: [],
    refusal: refused.content[0].text,
    is_error: refused.isError === true,
    goes_on: listed.tasks[0].task_id === unfinished,
    heard,
  }),
);
