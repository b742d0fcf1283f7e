"""The HTTP routes of the API: authentication, reading requests and writing responses."""

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
    SPEECH_TO_TEXT_PATH,
    Refusal,
    invalid_params,
    make_base_resp,
    to_http,
)
from minimax.sandbox.endpoints.balance import describe_balance
from minimax.sandbox.endpoints.files import MAX_UPLOAD_BYTES
from minimax.sandbox.endpoints.speech_to_text import MAX_BYTES as MAX_RECORDING_BYTES
from minimax.sandbox.endpoints.speech_to_text import Upload
from minimax.sandbox.endpoints.token_plan import describe_quota
from minimax.sandbox.endpoints.video_v2 import MAX_BODY_BYTES as MAX_V2_BODY_BYTES
from minimax.sandbox.http.control import build_control_routes
from minimax.sandbox.http.fault_middleware import FaultMiddleware
from minimax.sandbox.media.samples import Content
from minimax.sandbox.signed_links import PREFIX, StoreLink, StoreRefusal
from minimax.sandbox.units import MB

Payload: TypeAlias = Mapping[str, Any]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Payload | Response]]

MOST_RECORDED_BYTES: Final = 64 * 1024
MAX_JSON_BYTES: Final = 70 * MB
MULTIPART_OVERHEAD_BYTES: Final = MB  # boundaries and part headers, a generous estimate

_LOGIN_FAIL: Final = (
    "login fail: Please carry the API secret key in the 'Authorization' field of the request header"
)


def build_app(sandbox: Sandbox) -> ASGIApp:
    """Build the sandbox's ASGI app."""
    api = Starlette(
        routes=[
            *_build_v1_routes(sandbox),
            *_build_v2_routes(sandbox),
            _build_download_route(sandbox),
            *build_control_routes(sandbox),
        ],
        exception_handlers={HTTPException: _answer_not_found},
    )
    return FaultMiddleware(api, sandbox=sandbox)


def _build_v1_routes(sandbox: Sandbox) -> list[Route]:
    endpoints = [
        ("POST", "/v1/files/upload", _make_upload_endpoint(sandbox)),
        ("GET", "/v1/files/list", _pass_query(sandbox.files.list_by_purpose)),
        ("GET", "/v1/files/retrieve", _pass_query(sandbox.files.retrieve)),
        ("GET", "/v1/files/retrieve_content", _make_content_endpoint(sandbox)),
        ("POST", "/v1/files/delete", _pass_json(sandbox.files.delete)),
        ("POST", "/v1/voice_clone", _pass_json(sandbox.voice_cloning.clone)),
        ("POST", "/v1/voice_design", _pass_json(sandbox.voice_design.design)),
        ("POST", "/v1/get_voice", _pass_json(sandbox.voices.list_by_type)),
        ("POST", "/v1/delete_voice", _pass_json(sandbox.voices.delete)),
        ("GET", "/v1/token_plan/remains", _pass_query(lambda _: describe_quota(sandbox.clock))),
        ("GET", "/account/query_balance", _pass_query(lambda _: describe_balance(sandbox.bill))),
        ("POST", "/v1/t2a_v2", _make_speech_endpoint(sandbox)),
        ("POST", "/v1/t2a_async_v2", _pass_json(sandbox.long_speeches.create)),
        (
            "GET",
            "/v1/query/t2a_async_query_v2",
            _pass_query(sandbox.long_speeches.query),
        ),
        ("POST", SPEECH_TO_TEXT_PATH, _make_transcript_endpoint(sandbox)),
        ("POST", "/v1/image_generation", _pass_json(sandbox.images.create)),
        ("POST", "/v1/video_generation", _pass_json(sandbox.videos.create)),
        ("GET", "/v1/query/video_generation", _pass_query(sandbox.videos.query)),
    ]
    return [_build_route(*endpoint, sandbox=sandbox) for endpoint in endpoints]


def _build_v2_routes(sandbox: Sandbox) -> list[Route]:
    videos, query = sandbox.videos_v2, "/v2/query/video_generation"
    create = _pass_json(videos.create, max_bytes=MAX_V2_BODY_BYTES)
    regenerate = _pass_json(videos.regenerate, max_bytes=MAX_V2_BODY_BYTES)
    endpoints = [
        ("POST", "/v2/video_generation", create),
        ("POST", "/v2/video_regeneration", regenerate),
        ("DELETE", "/v2/video_generation/{task_id}", _pass_task_id(videos.delete)),
        ("GET", query, _pass_query(videos.list_tasks)),
        ("GET", f"{query}/{{task_id}}", _pass_task_id(videos.query)),
    ]
    return [_build_route(*endpoint, sandbox=sandbox) for endpoint in endpoints]


def _build_route(method: str, path: str, endpoint: Endpoint, *, sandbox: Sandbox) -> Route:
    """Build a route that checks the API key before anything else."""

    async def handle(request: Request) -> Response:
        try:
            _check_key(request.headers.get("authorization", ""), sandbox)
            result = await endpoint(request)
        except Refusal as refusal:
            return _make_error_response(request, refusal)
        if isinstance(result, Response):
            return result
        return _make_response(result, request, sandbox)

    return Route(path, handle, methods=[method])


def _check_key(authorization: str, sandbox: Sandbox) -> None:
    scheme, _, key = authorization.partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise Refusal(NOT_AUTHORIZED, _LOGIN_FAIL)
    if sandbox.keys is not None and key.strip() not in sandbox.keys:
        raise Refusal(INVALID_API_KEY)


def _pass_json(call: Callable[[Payload], Payload], *, max_bytes: int = MAX_JSON_BYTES) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        return call(await _read_json(request, max_bytes=max_bytes))

    return endpoint


def _pass_query(call: Callable[[Mapping[str, str]], Payload]) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        query = request.query_params
        return call({name: ",".join(query.getlist(name)) for name in query})

    return endpoint


def _pass_task_id(call: Callable[[str], Payload]) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        return call(request.path_params["task_id"])

    return endpoint


def _make_speech_endpoint(sandbox: Sandbox) -> Endpoint:
    async def endpoint(request: Request) -> Payload:
        speech = sandbox.text_to_audio.synthesize(await _read_json(request))
        return {**speech, "trace_id": request.state.trace_id}

    return endpoint


def _make_upload_endpoint(sandbox: Sandbox) -> Endpoint:
    return _pass_form(
        lambda form, _: _store_upload(form, sandbox),
        max_bytes=MAX_UPLOAD_BYTES + MULTIPART_OVERHEAD_BYTES,
    )


def _make_transcript_endpoint(sandbox: Sandbox) -> Endpoint:
    return _pass_form(
        lambda form, request: _transcribe(form, request, sandbox),
        max_bytes=MAX_RECORDING_BYTES + MULTIPART_OVERHEAD_BYTES,
    )


def _pass_form(
    call: Callable[[FormData, Request], Payload | Response], *, max_bytes: int
) -> Endpoint:
    async def endpoint(request: Request) -> Payload | Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise invalid_params("the body must be multipart/form-data")
        limited = _limit_body(request, max_bytes=max_bytes)
        try:
            async with limited.form(max_files=1) as form:
                return call(form, request)
        except HTTPException as error:  # raised by the form parser
            raise invalid_params(f"multipart: {error.detail}") from None

    return endpoint


def _store_upload(form: FormData, sandbox: Sandbox) -> Payload:
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile) or not isinstance(purpose, str):
        raise invalid_params("file and purpose are required")
    name, size = file.filename or "", file.size or 0
    return sandbox.files.upload(file.file, name=name, purpose=purpose, size=size)


def _transcribe(form: FormData, request: Request, sandbox: Sandbox) -> Response:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise invalid_params("file is required")
    upload = Upload(file.file, name=file.filename or "", size=file.size or 0)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    made = sandbox.speech_to_text.transcribe(upload, fields, trace_id=request.state.trace_id)
    return PlainTextResponse(made) if isinstance(made, str) else _make_json_response(made)


def _make_content_endpoint(sandbox: Sandbox) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return _stream(sandbox.files.retrieve_content(request.query_params))

    return endpoint


def _build_download_route(sandbox: Sandbox) -> Route:
    async def download(request: Request) -> Response:
        try:
            content = _open_download(request, sandbox)
        except StoreRefusal as refusal:
            return _make_store_error_response(request, refusal)
        return _stream(content, {"content-disposition": "attachment"})

    return Route(PREFIX + "{path:path}", download)


def _open_download(request: Request, sandbox: Sandbox) -> Content:
    if "authorization" in request.headers:
        raise StoreRefusal(400, "InvalidArgument", "Only one auth mechanism allowed.")
    query = request.query_params
    expires, signature = query.get("Expires", ""), query.get("Signature", "")
    return sandbox.store.open(request.url.path, expires=expires, signature=signature)


def _stream(content: Content, headers: Mapping[str, str] | None = None) -> Response:
    headers = {"content-length": str(content.size), **(headers or {})}
    return StreamingResponse(content.iter_chunks(), headers=headers, media_type=content.media_type)


async def _read_json(request: Request, *, max_bytes: int = MAX_JSON_BYTES) -> Payload:
    body = await _limit_body(request, max_bytes=max_bytes).body()
    try:
        fields = json.loads(body)
    except ValueError:
        raise invalid_params("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise invalid_params("the body must be a JSON object")
    if len(body) <= MOST_RECORDED_BYTES:
        request.state.recorded.json = fields
    return fields


def _limit_body(request: Request, *, max_bytes: int) -> Request:
    """Return the request with a body that is refused as soon as it exceeds `max_bytes`."""
    return Request(request.scope, _limit_receive(request.receive, max_bytes))


def _limit_receive(receive: Receive, max_bytes: int) -> Receive:
    remaining = max_bytes

    async def receive_limited() -> Message:
        nonlocal remaining
        message = await receive()
        remaining -= len(message.get("body", b""))
        if remaining < 0:
            raise invalid_params(f"the body is larger than {max_bytes} bytes")
        return message

    return receive_limited


def _make_response(payload: Payload, request: Request, sandbox: Sandbox) -> Response:
    """Make a JSON response, with `base_resp` on v1 and signed download links."""
    if request.url.path.startswith("/v1/"):
        payload = {"base_resp": make_base_resp(), **payload}

    def sign(link: StoreLink) -> str:
        return sandbox.store.sign_url(link, base_url=str(request.base_url))

    return _make_json_response(payload, default=sign)


def _make_json_response(
    payload: Payload, *, status: int = 200, default: Callable[[Any], Any] | None = None
) -> Response:
    body = json.dumps(payload, ensure_ascii=False, default=default)
    return Response(body, status, media_type="application/json")


def _make_error_response(request: Request, refusal: Refusal) -> Response:
    trace_id = request.state.trace_id
    status, payload = to_http(refusal, path=request.url.path, trace_id=trace_id)
    return _make_json_response(payload, status=status)


def _make_store_error_response(request: Request, refusal: StoreRefusal) -> Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message>"
        f"<RequestId>{request.state.trace_id}</RequestId></Error>\n"
    )
    return Response(body, refusal.status, media_type="application/xml")


async def _answer_not_found(_: Request, __: Exception) -> Response:
    """Answer a request with an unknown path, or with the wrong method for a known one."""
    return PlainTextResponse("404 page not found", 404)
