"""The routes: which path does what, who may call it, and how an answer is written."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive

from minimax.sandbox.account import Sandbox
from minimax.sandbox.api_errors import (
    INVALID_API_KEY,
    NOT_AUTHORIZED,
    Refusal,
    base_resp,
    invalid_params,
    to_http,
)
from minimax.sandbox.endpoints.files import MAX_UPLOAD_BYTES
from minimax.sandbox.endpoints.video_v2 import MAX_BODY_BYTES as MAX_V2_BODY_BYTES
from minimax.sandbox.http.control import control_routes
from minimax.sandbox.http.fault_middleware import FaultMiddleware
from minimax.sandbox.media.samples import Content
from minimax.sandbox.signed_links import PREFIX, StoreLink, StoreRefusal
from minimax.sandbox.units import MB

Payload: TypeAlias = Mapping[str, Any]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Payload | Response]]

MAX_JSON_BYTES: Final = 70 * MB
MULTIPART_FRAME_BYTES: Final = MB  # the boundaries and part headers around an upload, generously

_LOGIN_FAIL: Final = (
    "login fail: Please carry the API secret key in the 'Authorization' field of the request header"
)


def build_app(sandbox: Sandbox) -> ASGIApp:
    """The whole of the sandbox as one ASGI app."""
    api = Starlette(
        routes=[
            *_v1_routes(sandbox),
            *_v2_routes(sandbox),
            _download_route(sandbox),
            *control_routes(sandbox),
        ],
        exception_handlers={HTTPException: _unknown_path},
    )
    return FaultMiddleware(api, sandbox=sandbox)


def _v1_routes(sandbox: Sandbox) -> list[Route]:
    endpoints = [
        ("POST", "/v1/files/upload", _upload(sandbox)),
        ("GET", "/v1/files/list", _asked(sandbox.files.list_by_purpose)),
        ("GET", "/v1/files/retrieve", _asked(sandbox.files.retrieve)),
        ("GET", "/v1/files/retrieve_content", _retrieve_content(sandbox)),
        ("POST", "/v1/files/delete", _posted(sandbox.files.delete)),
        ("POST", "/v1/voice_clone", _posted(sandbox.voice_cloning.clone)),
        ("POST", "/v1/voice_design", _posted(sandbox.voice_design.design)),
        ("POST", "/v1/get_voice", _posted(sandbox.voices.list_by_type)),
        ("POST", "/v1/delete_voice", _posted(sandbox.voices.delete)),
        ("POST", "/v1/t2a_v2", _synthesize(sandbox)),
        ("POST", "/v1/image_generation", _posted(sandbox.images.create)),
        ("POST", "/v1/video_generation", _posted(sandbox.videos.create)),
        ("GET", "/v1/query/video_generation", _asked(sandbox.videos.query)),
    ]
    return [_guarded(*endpoint, sandbox=sandbox) for endpoint in endpoints]


def _v2_routes(sandbox: Sandbox) -> list[Route]:
    videos, query = sandbox.videos_v2, "/v2/query/video_generation"
    create = _posted(videos.create, at_most=MAX_V2_BODY_BYTES)
    endpoints = [
        ("POST", "/v2/video_generation", create),
        ("DELETE", "/v2/video_generation/{task_id}", _addressed(videos.delete)),
        ("GET", query, _asked(videos.list_tasks)),
        ("GET", f"{query}/{{task_id}}", _addressed(videos.query)),
    ]
    return [_guarded(*endpoint, sandbox=sandbox) for endpoint in endpoints]


def _guarded(method: str, path: str, endpoint: Endpoint, *, sandbox: Sandbox) -> Route:
    """A route that looks at the key before anything else."""

    async def guarded(request: Request) -> Response:
        try:
            _check_key(request.headers.get("authorization", ""), sandbox)
            answer = await endpoint(request)
        except Refusal as refusal:
            return _refused(request, refusal)
        return answer if isinstance(answer, Response) else _written(answer, request, sandbox)

    return Route(path, guarded, methods=[method])


def _check_key(authorization: str, sandbox: Sandbox) -> None:
    scheme, _, key = authorization.partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise Refusal(NOT_AUTHORIZED, _LOGIN_FAIL)
    if sandbox.keys is not None and key.strip() not in sandbox.keys:
        raise Refusal(INVALID_API_KEY)


def _posted(act: Callable[[Payload], Payload], *, at_most: int = MAX_JSON_BYTES) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        return act(await _json_body(request, at_most=at_most))

    return endpoint


def _asked(act: Callable[[Mapping[str, str]], Payload]) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        query = request.query_params
        return act({name: ",".join(query.getlist(name)) for name in query})

    return endpoint


def _addressed(act: Callable[[str], Payload]) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        return act(request.path_params["task_id"])

    return endpoint


def _synthesize(sandbox: Sandbox) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        spoken_words = sandbox.text_to_audio.synthesize(await _json_body(request))
        return {**spoken_words, "trace_id": request.state.trace_id}

    return endpoint


def _upload(sandbox: Sandbox) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise invalid_params("the body must be multipart/form-data")
        capped = _capped(request, at_most=MAX_UPLOAD_BYTES + MULTIPART_FRAME_BYTES)
        try:
            async with capped.form(max_files=1) as form:
                return _take_in(form, sandbox)
        except HTTPException as error:  # what the form parser raises
            raise invalid_params(f"multipart: {error.detail}") from None

    return endpoint


def _take_in(form: FormData, sandbox: Sandbox) -> Payload:
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile) or not isinstance(purpose, str):
        raise invalid_params("file and purpose are required")
    name, size = file.filename or "", file.size or 0
    return sandbox.files.upload(file.file, name=name, purpose=purpose, size=size)


def _retrieve_content(sandbox: Sandbox) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return _streamed(sandbox.files.retrieve_content(request.query_params))

    return endpoint


def _download_route(sandbox: Sandbox) -> Route:
    async def download(request: Request) -> Response:
        try:
            content = _opened(request, sandbox)
        except StoreRefusal as denied:
            return _denied(request, denied)
        return _streamed(content, {"content-disposition": "attachment"})

    return Route(PREFIX + "{path:path}", download)


def _opened(request: Request, sandbox: Sandbox) -> Content:
    if "authorization" in request.headers:
        raise StoreRefusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
    query = request.query_params
    expires, signature = query.get("Expires", ""), query.get("Signature", "")
    return sandbox.store.open(request.url.path, expires=expires, signature=signature)


def _streamed(content: Content, headers: Mapping[str, str] | None = None) -> Response:
    lengths = {"content-length": str(content.size)}
    return StreamingResponse(
        content.iter_chunks(), headers={**lengths, **(headers or {})}, media_type=content.media_type
    )


async def _json_body(request: Request, *, at_most: int = MAX_JSON_BYTES) -> Payload:
    body = await _capped(request, at_most=at_most).body()
    try:
        fields = json.loads(body)
    except ValueError:
        raise invalid_params("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise invalid_params("the body must be a JSON object")
    return fields


def _capped(request: Request, *, at_most: int) -> Request:
    """The same request, refused as soon as its body proves too large."""
    return Request(request.scope, _capped_receive(request.receive, at_most))


def _capped_receive(receive: Receive, at_most: int) -> Receive:
    left = at_most

    async def capped() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise invalid_params(f"the body is larger than {at_most} bytes")
        return message

    return capped


def _written(payload: Payload, request: Request, sandbox: Sandbox) -> Response:
    """An answer as JSON; v1 closes each with its `base_resp`."""
    if request.url.path.startswith("/v1/"):
        payload = {"base_resp": base_resp(), **payload}

    def sign(link: StoreLink) -> str:
        return sandbox.store.sign_url(link, base_url=str(request.base_url))

    return _json(payload, default=sign)


def _json(
    payload: Payload, *, status: int = 200, default: Callable[[Any], Any] | None = None
) -> Response:
    body = json.dumps(payload, ensure_ascii=False, default=default)
    return Response(body, status, media_type="application/json")


def _refused(request: Request, refusal: Refusal) -> Response:
    trace_id = request.state.trace_id
    status, payload = to_http(refusal, path=request.url.path, trace_id=trace_id)
    return _json(payload, status=status)


def _denied(request: Request, denied: StoreRefusal) -> Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{denied.code}</Code><Message>{denied.message}</Message>"
        f"<RequestId>{request.state.trace_id}</RequestId></Error>\n"
    )
    return Response(body, denied.status, media_type="application/xml")


async def _unknown_path(_: Request, __: Exception) -> Response:
    """The answer to an unknown path, and to another method on a known one."""
    return PlainTextResponse("404 page not found", 404)
