"""The API's error codes and messages, and their HTTP responses on v1 and v2."""

from collections.abc import Mapping
from typing import Any, Final

UNKNOWN_ERROR: Final = 1000
RATE_LIMIT: Final = 1002
NOT_AUTHORIZED: Final = 1004
INSUFFICIENT_BALANCE: Final = 1008
INPUT_SENSITIVE: Final = 1026
OUTPUT_SENSITIVE: Final = 1027
INVISIBLE_CHARACTERS: Final = 1042
ASR_MISMATCH: Final = 1043
PROMPT_MISMATCH: Final = 1044
INVALID_PARAMS: Final = 2013
VOICE_DURATION: Final = 2037
VOICE_CLONE_FORBIDDEN: Final = 2038
VOICE_ID_DUPLICATE: Final = 2039
PROMPT_AUDIO_TOO_LONG: Final = 2048
INVALID_API_KEY: Final = 2049
VOICE_ID_NOT_EXIST: Final = 2054
USAGE_LIMIT: Final = 2056

# The messages of MiniMax's error table.
_MESSAGES: Final = {
    0: "success",
    UNKNOWN_ERROR: "unknown error",
    RATE_LIMIT: "rate limit",
    NOT_AUTHORIZED: "not authorized",
    INSUFFICIENT_BALANCE: "insufficient balance",
    INPUT_SENSITIVE: "input new_sensitive",
    OUTPUT_SENSITIVE: "output new_sensitive",
    INVISIBLE_CHARACTERS: "invisible character ratio limit",
    ASR_MISMATCH: "The asr similarity check failed",
    PROMPT_MISMATCH: "clone prompt similarity check failed",
    INVALID_PARAMS: "invalid params",
    VOICE_CLONE_FORBIDDEN: "voice clone user forbidden",
    VOICE_ID_DUPLICATE: "voice clone voice id duplicate",
    PROMPT_AUDIO_TOO_LONG: "prompt audio too long",
    INVALID_API_KEY: "invalid api key",
    VOICE_ID_NOT_EXIST: "voice id not exist",
    USAGE_LIMIT: "usage limit exceeded",
}

# v2 sends the same errors with an HTTP status and a type ("authorized_error" is MiniMax's
# spelling); codes that are not listed are sent as 500.
_V2_ERRORS: Final = {
    INVALID_PARAMS: (400, "bad_request_error"),
    NOT_AUTHORIZED: (401, "authorized_error"),
    INVALID_API_KEY: (401, "authorized_error"),
    INSUFFICIENT_BALANCE: (402, "insufficient_balance_error"),
    INPUT_SENSITIVE: (422, "unprocessable_entity_error"),
    OUTPUT_SENSITIVE: (422, "unprocessable_entity_error"),
    RATE_LIMIT: (429, "rate_limit_error"),
    USAGE_LIMIT: (429, "rate_limit_error"),
}
_V2_SERVER_ERROR: Final = (500, "server_error")

# The one path of v1 that answers as v2 does (MiniMax's OpenAPI file of speech_to_text).
SPEECH_TO_TEXT_PATH: Final = "/v1/speech_to_text"

# A v1 error response has the fields of a successful one, with empty values.
_EMPTY_PAYLOADS: dict[str, dict[str, Any]] = {
    "/v1/delete_voice": {"voice_id": ""},
    "/v1/image_generation": {"data": None},
    "/v1/query/video_generation": {"task_id": "", "status": "", "file_id": ""},
    "/v1/query/t2a_async_query_v2": {"task_id": 0, "status": "", "file_id": 0},
    "/v1/t2a_async_v2": {"task_id": "", "task_token": "", "file_id": 0},
    "/v1/t2a_v2": {"data": None},
    "/v1/video_generation": {"task_id": ""},
    "/v1/voice_clone": {"input_sensitive": False, "input_sensitive_type": 0, "demo_audio": ""},
    "/v1/voice_design": {"voice_id": "", "trial_audio": ""},
}


class Refusal(Exception):  # noqa: N818 - an API response, not an error of the sandbox
    """A request that the API refuses.

    `status` is the HTTP status where it is not the usual one: 200 on v1, that of the code on v2.
    """

    def __init__(self, code: int, message: str = "", *, status: int | None = None) -> None:
        self.code = code
        self.message = message or _MESSAGES.get(code, "")
        self.status = status
        super().__init__(f"{self.message} ({code})")


def invalid_params(detail: str, *, status: int | None = None) -> Refusal:
    """Return a 2013 refusal whose message ends in `detail`."""
    return Refusal(INVALID_PARAMS, f"invalid params, {detail}", status=status)


def make_base_resp(code: int = 0, message: str = "") -> dict[str, Any]:
    """Return the `base_resp` object of every v1 response."""
    return {"status_code": code, "status_msg": message or _MESSAGES.get(code, "")}


def to_http(refusal: Refusal, *, path: str, trace_id: str) -> tuple[int, Mapping[str, Any]]:
    """Return the HTTP status and JSON body of `refusal`, in the API version of `path`."""
    if path.startswith("/v2/") or path == SPEECH_TO_TEXT_PATH:
        return _to_http_v2(refusal, trace_id=trace_id)
    empty = _EMPTY_PAYLOADS.get(path, {})
    base_resp = make_base_resp(refusal.code, refusal.message)
    return refusal.status or 200, {**empty, "base_resp": base_resp}


def _to_http_v2(refusal: Refusal, *, trace_id: str) -> tuple[int, Mapping[str, Any]]:
    usual_status, error_type = _V2_ERRORS.get(refusal.code, _V2_SERVER_ERROR)
    status = refusal.status or usual_status
    message = f"{refusal.message} ({refusal.code})"
    error = {"type": error_type, "message": message, "http_code": str(status)}
    return status, {"type": "error", "error": error, "request_id": trace_id}
