// How a host starts an installed bundle of which nothing was filled in, by the official tool's code:
// node bundle.mjs <folder of @anthropic-ai/mcpb> <folder of the unpacked bundle>

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";

const [box, extensionPath] = process.argv.slice(2);
const resolved = createRequire(join(box, "package.json")).resolve("@anthropic-ai/mcpb");
const { getMcpConfigForManifest } = await import(pathToFileURL(resolved));
const manifest = JSON.parse(readFileSync(join(extensionPath, "manifest.json"), "utf-8"));
const started = await getMcpConfigForManifest({
  manifest,
  extensionPath,
  systemDirs: {},
  userConfig: {},
  pathSeparator: sep,
});
console.log(JSON.stringify(started));
