// The video journey with the TypeScript SDK, 1.x or 2.x:
// node typescript.mjs <era> <package> <folder it is installed in> <command of the server>

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [era, name, box, command, ...args] = process.argv.slice(2);
const require = createRequire(join(box, "package.json"));
const first = name === "@modelcontextprotocol/sdk";
const { Client } = require(first ? `${name}/client/index.js` : name);
const { StdioClientTransport } = require(first ? `${name}/client/stdio.js` : `${name}/stdio`);

let heard = 0;
const options = { onprogress: () => heard++ };
const transport = new StdioClientTransport({ command, args, env: process.env });
const client = new Client(
  { name: "journey", version: "1.0.0" },
  first ? {} : { versionNegotiation: { mode: era } },
);
// Version 1 hides which protocol was agreed on; it tells it to transports that ask for it.
let agreed;
transport.setProtocolVersion = (version) => (agreed = version);

async function call(tool, values) {
  const params = { name: tool, arguments: values };
  const result = await (first
    ? client.callTool(params, undefined, options)
    : client.callTool(params, options));
  return result.structuredContent;
}

await client.connect(transport);
const { tools } = await client.listTools();
const job = await call("generate_video", { prompt: "The sun sets over the lake" });
const waiting = { task_id: job.task_id, wait_seconds: 45 };
const status = await call("query_video_generation", waiting);
const video = await call("retrieve_video_file", { file_id: status.file_id });
await client.close();

const described = readFileSync(join(box, "node_modules", name, "package.json"), "utf-8");
console.log(
  JSON.stringify({
    version: JSON.parse(described).version,
    protocol: first ? agreed : client.getNegotiatedProtocolVersion() ?? agreed,
    tools: tools.map((tool) => tool.name),
    progress: heard,
    path: video.path,
  }),
);
