// Drives Debian's chromium for the tests: node driver.mjs <folder with node_modules> <chromium>
//
// Listens on a port of its own, which it prints. One connection is one browser tab; each line is a
// command, {"id", "do", ...}, and each answer a line, {"id", "value"} or {"id", "error"}.
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { join } from "node:path";

const [folder, executablePath] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { chromium } = require("playwright-core");
const esbuild = require("esbuild");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];
const WAIT_MS = 30000;
const LOOK_AGAIN_MS = 20;

const browser = await chromium.launch({ executablePath, args: FLAGS });

async function bundle(entry) {
  const built = await esbuild.build({ entryPoints: [entry], bundle: true, format: "iife", write: false, logLevel: "error",
    nodePaths: [join(folder, "node_modules")] });
  return built.outputFiles[0].text;
}

class Tab {
  constructor() { this.errors = []; }
  async open({ url, width, height, colorScheme, reducedMotion }) {
    this.context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion, permissions: ["clipboard-read", "clipboard-write"] });
    this.page = await this.context.newPage();
    this.page.on("pageerror", (error) => this.errors.push(String(error)));
    await this.page.goto(url);
  }
  frame(name) { return name === "player" ? this.page.frames().find((frame) => frame.parentFrame()?.parentFrame()) : this.page.mainFrame(); }
  evaluate({ frame, code, argument }) { return this.frame(frame).evaluate(`(${code})(${JSON.stringify(argument ?? null)})`); }
  /* Not waitForFunction: that evaluates inside the page, where a content policy forbids it. */
  async wait({ frame, code, argument }) {
    const deadline = Date.now() + WAIT_MS;
    while (!(await this.evaluate({ frame, code, argument }))) {
      if (Date.now() > deadline) throw new Error(`${code} did not become true; the page says: ${await this.says()}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
  says() { return this.frame("player").evaluate("document.body.dataset.state + ': ' + document.body.innerText"); }
  click({ name }) { return this.frame("player").getByRole("button", { name, exact: true }).click({ timeout: WAIT_MS }); }
  press({ key }) { return this.page.keyboard.press(key); }
  roles() { return this.frame("player").locator("body").ariaSnapshot(); }
  screenshot({ path }) { return this.page.locator("iframe").screenshot({ path, animations: "disabled" }).then(() => null); }
  /* What the player's own frame keeps in memory, typed arrays included, in bytes. */
  async heap() {
    const session = await this.context.newCDPSession(this.frame("player"));
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await session.send("Runtime.getHeapUsage");
    return usedSize + backingStorageSize;
  }
  failures() { return this.errors; }
  bundle({ entry }) { return bundle(entry); }
  close() { return this.context?.close(); }
}

createServer((socket) => {
  const tab = new Tab();
  createInterface({ input: socket }).on("line", async (line) => {
    const { id, do: command, ...given } = JSON.parse(line);
    let answer;
    try { answer = { id, value: (await tab[command](given)) ?? null }; } catch (error) { answer = { id, error: String(error) }; }
    if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
  }).on("close", () => tab.close());
  socket.on("error", () => {});
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });

process.stdin.on("end", async () => { await browser.close(); process.exit(0); }).resume();
