"""A host of our own around the official AppBridge, in Debian's chromium."""

import asyncio
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp import Client, MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from minimax.player.app import PAGE_URI
from minimax.sandbox.http.sockets import listen
from tests.clients.packages import ENVIRONMENT, Unavailable, npm_packages, program
from tests.player.policies import POLICIES

__all__ = ["Browser", "Host", "Player", "launch", "serve_host"]

FOLDER: Final = Path(__file__).resolve().parent
PACKAGES: Final = (
    "@modelcontextprotocol/ext-apps@2.0.4",
    "@modelcontextprotocol/client@2.3.1",
    "@modelcontextprotocol/core@2.3.1",
    "@modelcontextprotocol/server@2.3.1",
    "zod@4.4.3",
    "esbuild@0.28.0",
    "playwright-core@1.64.1",
)
"""The AppBridge with what it needs, what packs it for a browser, and what drives the browser."""
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
TAB_HEIGHT: Final = 1400
"""So that a player is never taller than what is painted."""
LONGEST_LINE_BYTES: Final = 1 << 26
LONGEST_ANSWER_SECONDS: Final = 90.0

SHORT_PAUSES: Final = {"PAUSE_MS = 2000": "PAUSE_MS = 20", "TROUBLE_MS = 5000": "TROUBLE_MS = 20"}
"""What a test changes in the page, so that it need not wait for time to pass."""

PROXY: Final = """<!doctype html><meta charset="utf-8"><style>
html, body { margin: 0; height: 100% }
iframe { border: 0; width: 100%; height: 100%; display: block }
</style><script>
const host = new URL(document.referrer).origin;
const inner = document.createElement("iframe");
inner.setAttribute("sandbox", "allow-scripts allow-forms");
document.documentElement.append(inner);
addEventListener("message", ({ source, origin, data }) => {
  if (source === inner.contentWindow) return parent.postMessage(data, host);
  if (source !== parent || origin !== host) return;
  if (data.method !== "ui/notifications/sandbox-resource-ready") {
    return inner.contentWindow.postMessage(data, "*");
  }
  if (data.params.permissions?.clipboardWrite) inner.allow = "clipboard-write";
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = __POLICY__;
  inner.srcdoc = data.params.html.replace("<head>", () => "<head>" + meta.outerHTML);
});
const method = "ui/notifications/sandbox-proxy-ready";
parent.postMessage({ jsonrpc: "2.0", method, params: {} }, host);
</script>"""
HOST_PAGE: Final = """<!doctype html><meta charset="utf-8"><style>body { margin: 0 }</style>
<body><script src="/host.js"></script></body>"""


class Browser:
    """One running chromium, for many tabs."""

    def __init__(self, port: int) -> None:
        self.port = port

    @asynccontextmanager
    async def tab(self) -> AsyncIterator["Tab"]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=LONGEST_LINE_BYTES
        )
        try:
            yield Tab(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


@contextmanager
def launch() -> Iterator[Browser]:
    """Start chromium.

    Raises:
        Unavailable: It, or what drives it, cannot be had here.
    """
    found = [shutil.which(name, path=ENVIRONMENT.get("PATH")) for name in CHROMIUM]
    chromium = next(filter(None, found), None)
    if chromium is None:
        raise Unavailable("chromium is not installed (apt-get install chromium)")
    packages = npm_packages("player", PACKAGES)
    command = [program("node"), str(FOLDER / "driver.mjs"), str(packages), chromium]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        if not line:
            raise Unavailable("chromium does not start here")
        try:
            yield Browser(int(line))
        finally:
            process.stdin.close()
            process.wait()


class Tab:
    """A tab of the browser, by the commands of `driver.mjs`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ids = itertools.count(1)

    async def do(self, command: str, **given: Any) -> Any:
        ident = next(self._ids)
        line = json.dumps({"id": ident, "do": command, **given}) + "\n"
        self._writer.write(line.encode())
        answer = await asyncio.wait_for(self._reader.readline(), LONGEST_ANSWER_SECONDS)
        found = json.loads(answer)
        assert found["id"] == ident
        assert "error" not in found, f"{command}: {found['error']}"
        return found["value"]


@dataclass
class Host:
    """A host: a client of the server, and the pages that show the player.

    Attributes:
        folder: Where the server saves files.
        scripted: What is answered instead of the server, by the name of a tool or by the method
            `resources/read`: a result, an exception, or a function that gives one of them.
    """

    client: Client
    browser: Browser
    folder: Path
    port: int = 0
    scripted: dict[str, Any] = field(default_factory=dict)

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        name = params.get("name") if method == "tools/call" else method
        if name in self.scripted:
            answer = self.scripted[name]
            answer = answer(params) if callable(answer) else answer
            answer = await answer if asyncio.iscoroutine(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer
        if method == "tools/call":
            found: Any = await self.client.call_tool(params["name"], params.get("arguments"))
        else:
            found = await self.client.read_resource(params["uri"])
        return json.loads(found.model_dump_json(by_alias=True, exclude_none=True))

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool as the model would, for a result that is then shown."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})

    async def answer(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        try:
            result = await self.ask(asked["method"], asked["params"])
        except MCPError as error:
            failed = {"code": error.error.code, "message": error.error.message}
            return JSONResponse({"error": failed})
        return JSONResponse({"result": result})

    @asynccontextmanager
    async def player(
        self,
        result: Mapping[str, Any] | None = None,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the spec's word
        policy: str = "Claude",
        theme: str = "light",
        capabilities: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        width: int = 720,
        patch: Mapping[str, str] = SHORT_PAUSES,
        reduced_motion: bool = False,
    ) -> AsyncIterator["Player"]:
        """A player in a tab of its own; at its end nothing may have gone wrong in it."""
        page = (await self.ask("resources/read", {"uri": PAGE_URI}))["contents"][0]
        for old, new in patch.items():
            assert old in page["text"], old
            page["text"] = page["text"].replace(old, new)
        shown = {
            "theme": theme,
            "displayMode": "inline",
            "availableDisplayModes": ["inline", "fullscreen"],
            "containerDimensions": {"width": width, "maxHeight": 700},
            **(context or {}),
        }
        async with self.browser.tab() as tab:
            await tab.do(
                "open",
                url=f"http://127.0.0.1:{self.port}/",
                width=width,
                height=TAB_HEIGHT,
                colorScheme="light",
                reducedMotion="reduce" if reduced_motion else "no-preference",
            )
            player = Player(self, tab)
            player.app = await player.in_host(
                "(given) => window.mount(given)",
                {
                    "page": page,
                    "capabilities": capabilities or {},
                    "context": shown,
                    "width": width,
                    "proxy": f"http://localhost:{self.port}/proxy?policy={policy}",
                    "input": input,
                    "result": result,
                },
            )
            yield player
            assert await player.in_host("() => window.faults") == [], "AppBridge refused a message"
            assert await tab.do("failures") == [], "the page threw"


@dataclass
class Player:
    """One player that is shown."""

    host: Host
    tab: Tab
    app: Any = None

    async def in_host(self, code: str, argument: Any = None) -> Any:
        return await self.tab.do("evaluate", frame="host", code=code, argument=argument)

    async def run(self, code: str, argument: Any = None) -> Any:
        """The value of a function that is called inside of the player."""
        return await self.tab.do("evaluate", frame="player", code=code, argument=argument)

    async def until(self, code: str, argument: Any = None) -> None:
        """Wait until a function is true inside of the player."""
        await self.tab.do("wait", frame="player", code=code, argument=argument)

    async def until_state(self, *states: str) -> None:
        await self.until("(states) => states.includes(document.body.dataset.state)", states)

    async def until_host(self, code: str) -> None:
        await self.tab.do("wait", frame="host", code=code)

    async def text(self, ident: str) -> str:
        return str(await self.run("(id) => document.getElementById(id).textContent", ident))

    async def buttons(self) -> list[str]:
        found: list[str] = await self.run(
            "() => [...document.querySelectorAll('button')].map((one) => one.textContent)"
        )
        return found

    async def seen(self) -> dict[str, Any]:
        """What the host was asked for."""
        found: dict[str, Any] = await self.in_host("() => window.seen")
        return found

    async def deliver(self, result: Any) -> None:
        await self.in_host("(result) => window.bridge.sendToolResult(result)", result)

    async def click(self, name: str) -> None:
        await self.tab.do("click", name=name)


@asynccontextmanager
async def serve_host(client: Client, browser: Browser, *, folder: Path) -> AsyncIterator[Host]:
    """The pages of a host for this client: two origins on one port, as SEP-1865 wants."""
    async with browser.tab() as tab:
        bundle = await tab.do("bundle", entry=str(FOLDER / "host_page.js"))
    host = Host(client=client, browser=browser, folder=folder)

    async def proxy(request: Request) -> Response:
        policy = POLICIES[request.query_params["policy"]](["blob:", "data:"])
        return HTMLResponse(PROXY.replace("__POLICY__", json.dumps(policy)))

    app = Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(HOST_PAGE)),
            Route("/host.js", lambda _: Response(bundle, media_type="text/javascript")),
            Route("/proxy", proxy),
            Route("/rpc", host.answer, methods=["POST"]),
        ]
    )
    async with listen(app, host="127.0.0.1", port=0) as host.port:
        yield host
