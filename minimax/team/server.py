"""The MCP server of a team, as an ASGI application: a token identifies the caller."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.auth.settings import AuthSettings
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.request_state import RequestStateSecurity
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from minimax import runtime
from minimax.errors import SettingsError
from minimax.protocol.busy import RefuseWhenBusy
from minimax.protocol.strict_tool import Toolbox
from minimax.team import callbacks
from minimax.team.accounts import Accounts, JwtTokens, ListedTokens, current_member
from minimax.team.bodies import limit_values
from minimax.team.database import Connection
from minimax.team.face import make_face
from minimax.team.folder import PATH as LINK_PATH
from minimax.team.runtime import Team
from minimax.team.settings import TeamSettings

__all__ = ["Gate", "Parts", "make_app"]

log = logging.getLogger(__name__)

MCP_PATH: Final = "/mcp"
MOST_BODY_BYTES: Final = 40 * 1024 * 1024
"""Of one request: a `data:` URI of the largest image, 30 MB."""
CHECK_SECONDS: Final = 2.0
"""How long "ready" waits for the database."""

OpenTeam = Callable[[], AbstractAsyncContextManager[Team]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a team's server has in common with that of one person.

    Attributes:
        instructions: For the model; in a team's words.
        version: Of this project.
        tools: Those of one person.
        add_more: Adds prompts, resources and completions.
        only_looks: Whether a call of this tool with these arguments costs nothing.
        busy_advice: What can be done while the server is busy.
    """

    instructions: str
    version: str
    tools: Toolbox
    add_more: Callable[[MCPServer[Any]], object]
    only_looks: Callable[[str, Mapping[str, Any]], bool]
    busy_advice: str


class Gate:
    """Whether this replica should get requests, and how many it is answering."""

    def __init__(self) -> None:
        self.team: Team | None = None
        self.is_draining = False
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def watch(self, opening: AbstractAsyncContextManager[Team]) -> AsyncIterator[Team]:
        """Know the team for as long as it is open."""
        async with opening as team:
            self.team = team
            try:
                yield team
            finally:
                self.team = None

    def count_calls(self, app: ASGIApp) -> ASGIApp:
        """The application, with its MCP requests counted while they are under way."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != MCP_PATH:
                await app(scope, receive, send)
                return
            # Without sessions there is nothing to stream; who has no token is told where they are
            # made.
            if scope["method"] == "GET" and "authorization" in Headers(scope=scope):
                refusal = Response(status_code=405, headers={"Allow": "POST"})
                await refusal(scope, receive, send)
                return
            with self._count_call():
                await app(scope, receive, send)

        return counting

    @contextmanager
    def _count_call(self) -> Iterator[None]:
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def drain(self, *, pause_seconds: float, longest_seconds: float) -> None:
        """Say "not ready", give the load balancer time to notice, and answer what is under way."""
        self.is_draining = True
        await asyncio.sleep(pause_seconds)
        try:
            async with asyncio.timeout(longest_seconds):
                await self._idle.wait()
                if self.team is not None:
                    await self.team.finish_paid_work()
        except TimeoutError:
            log.warning("The server ends while %d calls are not answered.", self._calls)

    # --- routes --------------------------------------------------------------------------------

    async def answer_health(self, _: Request) -> Response:
        """The process lives; whether it is of use is said by "ready"."""
        return JSONResponse({"alive": True})

    async def answer_ready(self, _: Request) -> Response:
        """Whether requests should come here, and if not, why."""
        reason = "draining" if self.is_draining else await self._trouble()
        return JSONResponse({"ready": reason is None, "reason": reason}, 503 if reason else 200)

    async def _trouble(self) -> str | None:
        if self.team is None:
            return "starting"
        asking = asyncio.create_task(self.team.database.run_statement(_select_nothing))
        # Not `timeout`: where the database hangs, so does the end of a cancelled statement.
        await asyncio.wait({asking}, timeout=CHECK_SECONDS)
        if asking.done() and not asking.cancelled() and asking.exception() is None:
            return None
        asking.cancel()
        return "the database does not answer"

    async def answer_link(self, request: Request) -> Response:
        """What a signed link leads to, where the store is a folder."""
        folder = None if self.team is None else self.team.store.folder
        return Response(status_code=404) if folder is None else await folder.answer(request)

    async def take_callback(self, request: Request) -> Response:
        """What MiniMax tells of a job."""
        team = self.team
        if team is None or team.callbacks is None:
            return Response(status_code=503)
        key, signature = request.path_params["key"], request.path_params["signature"]
        if not team.callbacks.is_signed(key, signature):
            return Response(status_code=404)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > callbacks.MOST_BYTES:
                return Response(status_code=413)
        said = callbacks.read_push(body)
        if "challenge" in said:  # MiniMax tries the address before it uses it
            return JSONResponse({"challenge": said["challenge"]})
        await callbacks.note_push(
            team.database, key, said, on_accepted=team.queue.put, telemetry=team.telemetry
        )
        return JSONResponse({"status": "success"})


async def _use_runtime_of_caller(
    ctx: ServerRequestContext[Team, Any], call_next: CallNext
) -> HandlerResult:
    """Give every request the runtime of whoever it comes from."""
    team = ctx.lifespan_context
    try:
        member = current_member(team.accounts)
    except SettingsError as error:
        raise MCPError(INVALID_REQUEST, str(error)) from None
    with runtime.use(team.runtime_of(member)):
        return await call_next(ctx)


def make_app(
    settings: TeamSettings, accounts: Accounts, parts: Parts, open_team: OpenTeam, gate: Gate
) -> ASGIApp:
    """The replica: MCP, health, readiness, MiniMax's callbacks, and OAuth's metadata."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Team]) -> AsyncIterator[Team]:
        async with gate.watch(open_team()) as team:
            yield team

    face = make_face(parts.tools)
    server: MCPServer[Team] = MCPServer(
        "minimax",
        title="MiniMax",
        instructions=parts.instructions,
        version=parts.version,
        tools=face.tools,
        lifespan=lifespan,
        log_level="WARNING",
        subscriptions=False,
        request_state_security=RequestStateSecurity(keys=[settings.secret.get_secret_value()]),
        middleware=[
            _use_runtime_of_caller,
            RefuseWhenBusy(
                is_look=parts.only_looks,
                unfinished_work=lambda team: team.unfinished_work,
                advice=parts.busy_advice,
            ),
        ],
        **_identify_by(settings, accounts),
    )
    parts.add_more(server)
    return limit_values(gate.count_calls(serve_over_http(server, settings, gate)))


def serve_over_http(server: MCPServer[Any], settings: TeamSettings, gate: Gate) -> ASGIApp:
    """Any MCP server over stateless streamable HTTP, with the routes of a replica beside it."""
    server.custom_route("/healthz", ["GET"])(gate.answer_health)
    server.custom_route("/readyz", ["GET"])(gate.answer_ready)
    server.custom_route(callbacks.PATH, ["POST"])(gate.take_callback)
    server.custom_route(f"{LINK_PATH}/{{name:path}}", ["GET", "PUT"])(gate.answer_link)
    return server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        stateless_http=True,
        max_request_body_size=MOST_BODY_BYTES,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=list(settings.hosts),
            allowed_origins=list(settings.origins),
        ),
    )


def _identify_by(settings: TeamSettings, accounts: Accounts) -> dict[str, Any]:
    """How callers show who they are."""
    if settings.issuer is None:
        return {
            "token_verifier": ListedTokens(accounts),
            "auth": AuthSettings.model_validate(
                # No issuer makes these tokens, so none is announced.
                {"issuer_url": "http://127.0.0.1", "resource_server_url": None}
            ),
        }
    audience, jwks_url = settings.public_url or "", settings.jwks_url or ""
    return {
        "token_verifier": JwtTokens(
            accounts, issuer=settings.issuer, audience=audience, jwks_url=jwks_url
        ),
        "auth": AuthSettings.model_validate(
            {
                "issuer_url": settings.issuer,
                "resource_server_url": audience,
                "validate_token_resource": True,
            }
        ),
    }


async def _select_nothing(db: Connection) -> None:
    await db.execute("SELECT 1")
