"""The voice endpoints: system voices, and the account's own, which expire if never used."""

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

UNUSED_LIFETIME_SECONDS: Final = (
    168 * 60 * 60
)  # MiniMax API: an unused voice is deleted after 7 days
CLONED: Final = "voice_cloning"
DESIGNED: Final = "voice_generation"

# MiniMax API: one-time fees, charged at the first use of a voice in speech synthesis.
_FIRST_USE: Final = {CLONED: ("voice_clone", 1.5), DESIGNED: ("voice_design", 3.0)}

_LANGUAGES: Final = (
    "English", "Chinese", "Cantonese", "Japanese", "Korean", "Spanish", "Portuguese", "French",
    "German", "Italian", "Russian", "Arabic",
)  # fmt: skip
_TRAITS: Final = ("Graceful", "Calm", "Cheerful", "Wise", "Gentle", "Lively", "Trustworthy")
_SPEAKERS: Final = ("Lady", "Man", "Narrator", "Girl")
# Documented ids, among them the voices that MiniMax's own clients speak with by themselves.
_DOCUMENTED_VOICES: Final = (
    "Wise_Woman", "female-shaonv", "male-qn-qingse", "audiobook_male_1",
    "English_expressive_narrator",
)  # fmt: skip
SYSTEM_VOICES: Final = (
    *_DOCUMENTED_VOICES,
    *("_".join(parts) for parts in product(_LANGUAGES, _TRAITS, _SPEAKERS)),
)


@dataclass
class Voice:
    """One voice of the account; `used` is set by its first speech synthesis."""

    id: str
    voice_type: str
    created_at: float
    description: str = ""
    used: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the voice as `get_voice` lists it."""
        return {
            "voice_id": self.id,
            "description": [self.description] if self.description else [],
            "created_time": self.creation_date,
        }

    @property
    def creation_date(self) -> str:
        """The date in UTC, as yyyy-mm-dd."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.created_at))


class Voices(BoundedDict[str, Voice]):
    """The account's cloned and designed voices by id."""

    def __init__(self, *, clock: Clock, bill: Bill) -> None:
        super().__init__()
        self._clock = clock
        self._bill = bill
        self._deleted_ids: BoundedDict[str, None] = BoundedDict()

    def create(self, voice_id: str, *, voice_type: str, description: str = "") -> Voice:
        """Add a voice; it can be used at once, and is listed after its first use."""
        self.check_free(voice_id)
        self[voice_id] = Voice(voice_id, voice_type, self._clock.now(), description)
        return self[voice_id]

    def check_free(self, voice_id: str) -> None:
        """Refuse an id that is in use or was deleted; deleted ids cannot be used again."""
        taken = voice_id in SYSTEM_VOICES or voice_id in self._deleted_ids
        if taken or self._find_live(voice_id):
            raise Refusal(VOICE_ID_DUPLICATE)

    def use(self, voice_ids: Iterable[str]) -> None:
        """Use voices in speech synthesis; the first use of a voice is charged."""
        own = [voice_id for voice_id in voice_ids if voice_id not in SYSTEM_VOICES]
        for voice in [self._find(voice_id) for voice_id in own]:
            if not voice.used:
                voice.used = True
                what, price_usd = _FIRST_USE[voice.voice_type]
                self._bill.charge(what, price_usd, item_id=voice.id)

    def list_by_type(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/get_voice: a group without voices is null."""
        voice_type = Params(body).read_choice(
            "voice_type", ("system", CLONED, DESIGNED, "all"), required=True
        )
        groups = {
            "system_voice": [_describe_system_voice(voice_id) for voice_id in SYSTEM_VOICES],
            CLONED: self._list_used(CLONED) or None,
            DESIGNED: self._list_used(DESIGNED) or None,
        }
        return {
            name: group
            for name, group in groups.items()
            if voice_type in {"all", name, name.removesuffix("_voice")}
        }

    def delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/delete_voice."""
        params = Params(body)
        voice_type = params.read_choice("voice_type", (CLONED, DESIGNED), required=True)
        voice = self._find_live(params.read_text("voice_id", required=True))
        if voice is None or voice.voice_type != voice_type:
            raise invalid_params("voice_id does not exist")
        del self[voice.id]
        self._deleted_ids[voice.id] = None
        return {"voice_id": voice.id, "created_time": voice.creation_date}

    def _find(self, voice_id: str) -> Voice:
        voice = self._find_live(voice_id)
        if voice is None:
            raise Refusal(VOICE_ID_NOT_EXIST)
        return voice

    def _find_live(self, voice_id: str) -> Voice | None:
        voice = self.get(voice_id)
        if voice is None or voice.used:
            return voice
        if self._clock.now() - voice.created_at < UNUSED_LIFETIME_SECONDS:
            return voice
        del self[voice_id]
        return None

    def _list_used(self, voice_type: str) -> list[dict[str, Any]]:
        return [
            voice.to_json()
            for voice in self.values()
            if voice.voice_type == voice_type and voice.used
        ]


def _describe_system_voice(voice_id: str) -> dict[str, Any]:
    name = voice_id.replace("_", " ").title()
    return {
        "voice_id": voice_id,
        "voice_name": name,
        "description": [f"{name}, a voice of the sandbox"],
        "created_time": "1970-01-01",
    }
