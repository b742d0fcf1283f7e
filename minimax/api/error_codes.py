"""MiniMax's error codes: what each means, what is known about the request, what to do next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from minimax.errors import Outcome, RefusedError
from minimax.safe_text import plain

__all__ = ["CODES", "Advice", "advice_for", "name_known_models"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What a code means and what to do next; both are full sentences."""

    meaning: str
    outcome: Outcome
    remedy: str


UNKNOWN_ERROR: Final = 1000
KEY_REFUSED: Final = 1004
BALANCE_TOO_LOW: Final = 1008
INPUT_BLOCKED: Final = 1026
RESULT_BLOCKED: Final = 1027
SYSTEM_ERROR: Final = 1033
INVALID_PARAMETER: Final = 2013
VOICE_ID_TAKEN: Final = 2039
KEY_UNKNOWN: Final = 2049
NO_SUCH_VOICE: Final = 2054
SAMPLE_UNUSABLE: Final = 20132
"""Codes that decide more than the text of an error."""

KEY_CODES: Final = frozenset({KEY_REFUSED, KEY_UNKNOWN})
MODERATION_CODES: Final = frozenset({INPUT_BLOCKED, RESULT_BLOCKED})
_LATER: Final = "Try again in a minute."
_CONSOLE: Final = "platform.minimax.io (mainland: platform.minimaxi.com)"
_REJECTED, _THROTTLED, _UNKNOWN = Outcome.REJECTED, Outcome.THROTTLED, Outcome.UNKNOWN

CODES: Final[Mapping[int, Advice]] = MappingProxyType(
    {
        UNKNOWN_ERROR: Advice(
            "MiniMax reports an unknown error.",
            _UNKNOWN,
            "Try again later; MiniMax support can look up the Trace-Id.",
        ),
        1001: Advice("MiniMax's own processing timed out.", _UNKNOWN, _LATER),
        1002: Advice(
            "Too many requests in this minute.",
            _THROTTLED,
            "Wait a minute, then call less often.",
        ),
        KEY_REFUSED: Advice(
            "MiniMax does not accept the API key.",
            _REJECTED,
            "Check MINIMAX_API_KEY: the whole key, without 'Bearer' and without a group id.",
        ),
        BALANCE_TOO_LOW: Advice(
            "The balance is too low; nothing was started and nothing charged.",
            _REJECTED,
            f"Top up under Billing at {_CONSOLE}. A subscription's quota and the pay-as-you-go "
            "balance are separate.",
        ),
        1013: Advice("MiniMax reports an internal service error.", _UNKNOWN, _LATER),
        1024: Advice("MiniMax reports an internal error.", _UNKNOWN, _LATER),
        INPUT_BLOCKED: Advice(
            "MiniMax's content check refused the input.",
            _REJECTED,
            "Reword the prompt or change the image; the same input will be refused again.",
        ),
        RESULT_BLOCKED: Advice(
            "MiniMax's content check blocked the result.",
            _REJECTED,
            "Change the prompt or the image, then generate again.",
        ),
        1028: Advice(
            "The quota for this model is used up.",
            _REJECTED,
            "Wait for the quota to be reset, or use another model or plan.",
        ),
        1030: Advice(
            "The quota for this model is used up.",
            _REJECTED,
            "Wait for the quota to be reset, or use another model or plan.",
        ),
        SYSTEM_ERROR: Advice("MiniMax reports a system error.", _UNKNOWN, _LATER),
        1039: Advice(
            "The token limit of this minute is reached.",
            _THROTTLED,
            "Wait a minute, or send a shorter text.",
        ),
        1041: Advice(
            "Too many connections at once.",
            _THROTTLED,
            "Make fewer calls at once; if this persists, ask MiniMax support.",
        ),
        1042: Advice(
            "More than a tenth of the text is invisible or illegal characters.",
            _REJECTED,
            "Send the text without them.",
        ),
        1043: Advice(
            "The recording does not say what text_validation says.",
            _REJECTED,
            "Correct text_validation, lower accuracy, or leave both out.",
        ),
        1044: Advice(
            "The prompt recording and prompt_text do not match.",
            _REJECTED,
            "Give in prompt_text exactly what is said in prompt_audio, with its punctuation.",
        ),
        INVALID_PARAMETER: Advice(
            "MiniMax refused a parameter; its own message names it.",
            _REJECTED,
            "Correct that parameter and call again. Nothing was charged.",
        ),
        2037: Advice(
            "The recording is too short or too long.",
            _REJECTED,
            "Give a recording of 10 seconds to 5 minutes.",
        ),
        2038: Advice(
            "This account is not allowed to clone voices yet.",
            _REJECTED,
            f"Verify the account (personal or enterprise) at {_CONSOLE}, then call again.",
        ),
        VOICE_ID_TAKEN: Advice(
            "This voice_id is taken already.",
            _REJECTED,
            "Choose another voice_id, or leave it out to have one made. If it is your own earlier "
            "clone, that voice works as it is.",
        ),
        2042: Advice(
            "This voice belongs to another account.",
            _REJECTED,
            "Use a voice of the account that the key belongs to.",
        ),
        2045: Advice(
            "The number of requests grew too fast.",
            _THROTTLED,
            "Wait a minute, then call less often.",
        ),
        2048: Advice(
            "The prompt recording is too long.",
            _REJECTED,
            "Give a prompt_audio of less than 8 seconds.",
        ),
        KEY_UNKNOWN: Advice(
            "MiniMax does not know this API key here.",
            _REJECTED,
            "Check MINIMAX_API_KEY: the whole key, without 'Bearer'.",
        ),
        NO_SUCH_VOICE: Advice(
            "There is no such voice.",
            _REJECTED,
            "Check the voice_id. MiniMax deletes a cloned or designed voice that has not spoken "
            "within 7 days; such a voice must be made again under another voice_id.",
        ),
        2056: Advice(
            "The plan's usage limit is reached; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window (5 hours, or a week), or use a pay-as-you-go key.",
        ),
        2057: Advice(
            "This key is not made for this service.",
            _REJECTED,
            "Use a pay-as-you-go key, or a subscription that includes it.",
        ),
        2061: Advice(
            "The plan does not include this model; nothing was charged.",
            _REJECTED,
            "Use another model, or a pay-as-you-go key (sk-api-...).",
        ),
        2062: Advice(
            "The plan is throttled for now; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window, or use a pay-as-you-go key.",
        ),
        2067: Advice(
            "The plan's usage cap is reached; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window, or use a pay-as-you-go key.",
        ),
        SAMPLE_UNUSABLE: Advice(
            "MiniMax cannot use this sample or this voice_id.",
            _REJECTED,
            "Check both: the file id must be of your own upload, the voice_id new.",
        ),
    }
)
"""MiniMax's error table (platform documentation "errorcode", and codes seen in practice)."""

_NO_SUCH_JOB: Final = Advice(
    "MiniMax does not know this job.",
    _REJECTED,
    "Check the task_id; list_video_tasks names those bought from here.",
)
ENDPOINT_CODES: Final[Mapping[tuple[str, int], Advice]] = MappingProxyType(
    {
        ("status", INVALID_PARAMETER): _NO_SUCH_JOB,
        ("status_v2", INVALID_PARAMETER): Advice(
            _NO_SUCH_JOB.meaning,
            _REJECTED,
            f"{_NO_SUCH_JOB.remedy} MiniMax-H3 jobs can be asked for, and their videos fetched, "
            "for 7 days only.",
        ),
        ("regenerate", INVALID_PARAMETER): Advice(
            "MiniMax does not make this video again in 2K.",
            _REJECTED,
            "Its own message says why. Nothing was charged.",
        ),
        # MiniMax staff found an undecodable recording to be the cause of every 1000 from a clone.
        ("voice_clone", UNKNOWN_ERROR): Advice(
            "MiniMax could not use the recording (it calls this an unknown error).",
            _REJECTED,
            "Save the recording again as mp3, m4a or wav and call again; the same file will fail "
            "again.",
        ),
        ("transcribe", INPUT_BLOCKED): Advice(
            "MiniMax's content check refused the recording.",
            _REJECTED,
            "The same recording will be refused again.",
        ),
    }
)
"""Codes that mean something else on one endpoint."""


def advice_for(code: int, *, endpoint: str = "") -> Advice | None:
    """What a code means on an endpoint; None for one that is not known."""
    return ENDPOINT_CODES.get((endpoint, code)) or CODES.get(code)


def name_known_models(refusal: RefusedError, model: str, known: Iterable[str]) -> RefusedError:
    """The same refusal, with the models to choose from where it may be about the model."""
    names = list(known)
    if refusal.code != INVALID_PARAMETER or model in names:
        return refusal
    error = type(refusal).after(
        refusal,
        f"{refusal.text} The model {plain(model)} is not known here; known are: "
        f"{', '.join(names)}.",
    )
    error.after_unknown = refusal.after_unknown
    return error
