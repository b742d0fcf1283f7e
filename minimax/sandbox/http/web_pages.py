"""ASGI middleware: refuses what a web page in a browser on this computer may send.

Any page can send requests to 127.0.0.1, also under a name of its own that leads there. Programs
send no `Origin` and name the address that they connect to.
"""

from http import HTTPStatus
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT: Final = 80
CONTROL_PREFIX: Final = "/sandbox/"
JSON: Final = "application/json"
"""No page may send it to another site without asking first, which the sandbox never answers."""


class WebPageGuard:
    """Lets through what a program on this computer sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or refuse it before anything is recorded or changed."""
        refusal = _find_refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            status, sentence = refusal
            await PlainTextResponse(f"{sentence}\n", status)(scope, receive, send)


def _find_refusal(scope: Scope) -> tuple[HTTPStatus, str] | None:
    hosts, origins = _read_headers(scope, b"host"), _read_headers(scope, b"origin")
    names = _make_own_names(scope)
    if len(hosts) != 1 or hosts[0].lower() not in names:
        return HTTPStatus.MISDIRECTED_REQUEST, "The Host header must name this sandbox: 127.0.0.1."
    if any(origin.lower() not in {f"http://{name}" for name in names} for origin in origins):
        return HTTPStatus.FORBIDDEN, "A web page of another site may not use the sandbox."
    changes = scope["method"] == "POST" and scope["path"].startswith(CONTROL_PREFIX)
    if changes and not _is_json(_read_headers(scope, b"content-type")):
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {JSON}."
    return None


def _make_own_names(scope: Scope) -> set[str]:
    """What a Host header may say: this computer, and the port that was connected to."""
    _, port = scope.get("server") or ("", None)
    names = {f"{name}:{port}" for name in LOOPBACK_NAMES}
    return names | set(LOOPBACK_NAMES) if port in (HTTP_PORT, None) else names


def _read_headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _is_json(content_types: list[str]) -> bool:
    return [value.split(";")[0].strip().lower() for value in content_types] == [JSON]
