"""Voices: the system's own, and those that live in the account until nobody uses them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from minimax.sandbox.api_errors import (
    VOICE_ID_DUPLICATE,
    VOICE_ID_NOT_EXIST,
    Refusal,
    invalid_params,
)
from minimax.sandbox.billing import Bill
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.clock import Clock

UNUSED_LIFE_SECONDS: Final = 168 * 60 * 60  # minimax-api: an unused voice is deleted after 7 days
CLONED: Final = "voice_cloning"
DESIGNED: Final = "voice_generation"

# minimax-api: prices, due at the first use of a voice in a real synthesis.
_FIRST_USE: Final = {CLONED: ("voice_clone", 1.5), DESIGNED: ("voice_design", 3.0)}

_LANGUAGES: Final = (
    "English", "Chinese", "Cantonese", "Japanese", "Korean", "Spanish", "Portuguese", "French",
    "German", "Italian", "Russian", "Arabic",
)  # fmt: skip
_MANNERS: Final = ("Graceful", "Calm", "Cheerful", "Wise", "Gentle", "Lively", "Trustworthy")
_PERSONS: Final = ("Lady", "Man", "Narrator", "Girl")
_WELL_KNOWN: Final = ("Wise_Woman", "female-shaonv", "male-qn-qingse", "audiobook_male_1")
SYSTEM_VOICES: Final = (
    *_WELL_KNOWN,
    *("_".join(parts) for parts in product(_LANGUAGES, _MANNERS, _PERSONS)),
)


@dataclass
class Voice:
    """One voice of the account; `used` once it has spoken in a real synthesis."""

    id: str
    kind: str
    created_at: float
    description: str = ""
    used: bool = False

    def to_json(self) -> dict[str, Any]:
        """A member of get_voice's groups."""
        return {
            "voice_id": self.id,
            "description": [self.description] if self.description else [],
            "created_time": self.created_date,
        }

    @property
    def created_date(self) -> str:
        """yyyy-mm-dd, in UTC."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.created_at))


class Voices(BoundedDict[str, Voice]):
    """The account's own voices by id."""

    def __init__(self, *, clock: Clock, bill: Bill) -> None:
        super().__init__()
        self._clock = clock
        self._bill = bill
        self._deleted_ids: BoundedDict[str, None] = BoundedDict()

    def create(self, voice_id: str, *, kind: str, description: str = "") -> Voice:
        """A new voice: it can speak at once, and stays unlisted until it has."""
        self.check_free(voice_id)
        self[voice_id] = Voice(voice_id, kind, self._clock.now(), description)
        return self[voice_id]

    def check_free(self, voice_id: str) -> None:
        """Refuse an id that is taken, or was and has been deleted: it never comes back."""
        taken = voice_id in SYSTEM_VOICES or voice_id in self._deleted_ids
        if taken or self._alive(voice_id):
            raise Refusal(VOICE_ID_DUPLICATE)

    def use(self, voice_ids: Iterable[str]) -> None:
        """Let these voices speak; the first time activates a voice and bills its fee."""
        own = [voice_id for voice_id in voice_ids if voice_id not in SYSTEM_VOICES]
        for voice in [self._find(voice_id) for voice_id in own]:
            if not voice.used:
                voice.used = True
                what, price_usd = _FIRST_USE[voice.kind]
                self._bill.charge(what, price_usd, item_id=voice.id)

    def list_by_type(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/get_voice: a group without voices is null."""
        wanted = Params(body).read_choice(
            "voice_type", ("system", CLONED, DESIGNED, "all"), required=True
        )
        groups = {
            "system_voice": [_system_voice(voice_id) for voice_id in SYSTEM_VOICES],
            CLONED: self._listed(CLONED) or None,
            DESIGNED: self._listed(DESIGNED) or None,
        }
        return {
            name: group
            for name, group in groups.items()
            if wanted in {"all", name, name.removesuffix("_voice")}
        }

    def delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/delete_voice."""
        params = Params(body)
        kind = params.read_choice("voice_type", (CLONED, DESIGNED), required=True)
        voice = self._alive(params.read_text("voice_id", required=True))
        if voice is None or voice.kind != kind:
            raise invalid_params("voice_id does not exist")
        del self[voice.id]
        self._deleted_ids[voice.id] = None
        return {"voice_id": voice.id, "created_time": voice.created_date}

    def _find(self, voice_id: str) -> Voice:
        voice = self._alive(voice_id)
        if voice is None:
            raise Refusal(VOICE_ID_NOT_EXIST)
        return voice

    def _alive(self, voice_id: str) -> Voice | None:
        voice = self.get(voice_id)
        if voice is None or voice.used:
            return voice
        if self._clock.now() - voice.created_at < UNUSED_LIFE_SECONDS:
            return voice
        del self[voice_id]
        return None

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        return [voice.to_json() for voice in self.values() if voice.kind == kind and voice.used]


def _system_voice(voice_id: str) -> dict[str, Any]:
    name = voice_id.replace("_", " ").title()
    return {
        "voice_id": voice_id,
        "voice_name": name,
        "description": [f"{name}, a voice of the sandbox"],
        "created_time": "1970-01-01",
    }
