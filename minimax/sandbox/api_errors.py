"""How the API says no: its codes, its words, and the two shapes they travel in."""

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

# The words of MiniMax's error table.
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

# v2 says the same with a real HTTP status and a type of its own ("authorized_error" is MiniMax's
# spelling); codes that are not here come as 500.
_V2_ANSWERS: Final = {
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

# A refused v1 call carries its payload fields empty rather than not at all.
_EMPTY_PAYLOADS: dict[str, dict[str, Any]] = {
    "/v1/delete_voice": {"voice_id": ""},
    "/v1/image_generation": {"data": None},
    "/v1/query/video_generation": {"task_id": "", "status": "", "file_id": ""},
    "/v1/t2a_v2": {"data": None},
    "/v1/video_generation": {"task_id": ""},
    "/v1/voice_clone": {"input_sensitive": False, "input_sensitive_type": 0, "demo_audio": ""},
    "/v1/voice_design": {"voice_id": "", "trial_audio": ""},
}


class Refusal(Exception):  # noqa: N818 - an answer of the API, not an error of the sandbox
    """A request that the API turns down.

    `status` is the HTTP status on v1, where nearly every refusal is a 200.
    """

    def __init__(self, code: int, message: str = "", *, status: int = 200) -> None:
        self.code = code
        self.message = message or _MESSAGES.get(code, "")
        self.status = status
        super().__init__(f"{self.message} ({code})")


def invalid(detail: str, *, status: int = 200) -> Refusal:
    """2013, the refusal that names the parameter at fault."""
    return Refusal(INVALID_PARAMS, f"invalid params, {detail}", status=status)


def base_resp(code: int = 0, message: str = "") -> dict[str, Any]:
    """What every v1 answer ends with."""
    return {"status_code": code, "status_msg": message or _MESSAGES.get(code, "")}


def spoken(refusal: Refusal, *, path: str, trace_id: str) -> tuple[int, Mapping[str, Any]]:
    """The HTTP status and JSON body in which `path` says this refusal."""
    if path.startswith("/v2/"):
        return _spoken_by_v2(refusal, trace_id=trace_id)
    empty = _EMPTY_PAYLOADS.get(path, {})
    return refusal.status, {**empty, "base_resp": base_resp(refusal.code, refusal.message)}


def _spoken_by_v2(refusal: Refusal, *, trace_id: str) -> tuple[int, Mapping[str, Any]]:
    status, kind = _V2_ANSWERS.get(refusal.code, _V2_SERVER_ERROR)
    message = f"{refusal.message} ({refusal.code})"
    error = {"type": kind, "message": message, "http_code": str(status)}
    return status, {"type": "error", "error": error, "request_id": trace_id}
