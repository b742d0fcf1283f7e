"""How a text is spoken: the options that short and long speech share, and mixes of voices."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from minimax.api.json_body import drop_none
from minimax.catalog import DEFAULT_SPEECH_MODEL
from minimax.errors import InputError
from minimax.limits import (
    BITRATES,
    CHANNELS,
    EMOTIONS,
    MIX_WEIGHT,
    MIXED_VOICES,
    MODIFICATION,
    MODIFICATION_FORMATS,
    PITCH,
    SAMPLE_RATES,
    SOUND_EFFECTS,
    SPEECH_FORMATS,
    SPEED,
    UNSUITED_EMOTIONS,
    VOLUME,
)
from minimax.safe_text import shorten
from minimax.validation import check_choice, check_range

__all__ = [
    "RAW_TYPES",
    "MixedVoice",
    "Modification",
    "SpeechOptions",
    "check_pronunciation",
    "parse_voice_mix",
]

RAW_TYPES: Final = {"pcm": "audio/pcm", "pcmu_raw": "audio/basic"}
"""Formats whose content proves nothing by itself."""

SHOWN_CHARACTERS: Final = 80
"""Of an entry in a message."""


@dataclass(frozen=True, kw_only=True)
class Modification:
    """How the sound of a voice is changed (`voice_modify`); None and 0 change nothing."""

    effect: str | None = None
    intensity: int | None = None
    timbre: int | None = None
    pitch: int | None = None

    def check(self, audio_format: str) -> None:
        """Refuse what MiniMax would refuse; the messages name the tool's arguments.

        Raises:
            InputError: A value is not allowed, or not in this audio format.
        """
        check_choice("effect", self.effect, SOUND_EFFECTS)
        check_range("intensity", self.intensity, MODIFICATION)
        check_range("timbre", self.timbre, MODIFICATION)
        check_range("modify_pitch", self.pitch, MODIFICATION)
        if self.fields and audio_format not in MODIFICATION_FORMATS:
            raise InputError(
                "effect, intensity, timbre and modify_pitch work with the formats "
                f"{', '.join(MODIFICATION_FORMATS)} and not with {audio_format}. Leave them out, "
                "or choose another format."
            )

    @property
    def fields(self) -> dict[str, Any]:
        """As the API takes it; empty where nothing is changed."""
        return drop_none(
            pitch=self.pitch or None,
            intensity=self.intensity or None,
            timbre=self.timbre or None,
            sound_effects=self.effect,
        )


@dataclass(frozen=True, kw_only=True)
class SpeechOptions:
    """What short and long speech have in common; None is "not given"."""

    voice_id: str | None = None
    model: str = DEFAULT_SPEECH_MODEL
    speed: float | None = None
    vol: float | None = None
    pitch: int | None = None
    emotion: str | None = None
    language_boost: str | None = None
    pronunciation: Sequence[str] = ()
    effect: str | None = None
    intensity: int | None = None
    timbre: int | None = None
    modify_pitch: int | None = None
    format: str = "mp3"
    sample_rate: int | None = None
    bitrate: int | None = None
    channel: int | None = None

    @property
    def modification(self) -> Modification:
        """What is changed about the sound."""
        return Modification(
            effect=self.effect,
            intensity=self.intensity,
            timbre=self.timbre,
            pitch=self.modify_pitch,
        )

    def check_options(self, *, sample_rates: Sequence[int] = SAMPLE_RATES) -> None:
        """Refuse what MiniMax would refuse; the messages name the tool's arguments.

        Args:
            sample_rates: In Hz, that go with this audio format.

        Raises:
            InputError: An option is not allowed, or not together with another one.
        """
        check_range("speed", self.speed, SPEED)
        check_range("vol", self.vol, VOLUME, above_least=True)
        check_range("pitch", self.pitch, PITCH)
        check_choice("format", self.format, SPEECH_FORMATS)
        check_choice("sample_rate", self.sample_rate, sample_rates)
        check_choice("bitrate", self.bitrate, BITRATES)
        check_choice("channel", self.channel, CHANNELS)
        self._check_emotion()
        if self.bitrate is not None and self.format != "mp3":
            raise InputError("bitrate is for the format mp3 only. Leave it out.")
        check_pronunciation(self.pronunciation)
        self.modification.check(self.format)

    def _check_emotion(self) -> None:
        check_choice("emotion", self.emotion, EMOTIONS)
        for family, unsuited in UNSUITED_EMOTIONS.items():
            if self.model.startswith(family) and self.emotion in unsuited:
                fitting = ", ".join(e for e in EMOTIONS if e not in unsuited)
                raise InputError(
                    f"emotion {self.emotion} is not for {self.model}. It takes: {fitting}; or "
                    "leave emotion out and let the model decide."
                )

    @property
    def manner(self) -> dict[str, Any]:
        """Speed, loudness, pitch and emotion, as `voice_setting` takes them."""
        return drop_none(speed=self.speed, vol=self.vol, pitch=self.pitch, emotion=self.emotion)

    @property
    def further_fields(self) -> dict[str, Any]:
        """The parts of a body that only some requests have."""
        tone = list(self.pronunciation)
        return drop_none(
            language_boost=self.language_boost,
            pronunciation_dict={"tone": tone} if tone else None,
            voice_modify=self.modification.fields or None,
        )


@dataclass(frozen=True)
class MixedVoice:
    """One voice of a mix; its part in the sound is its weight among all weights."""

    voice_id: str
    weight: int

    @property
    def fields(self) -> dict[str, Any]:
        """As the API takes it."""
        return {"voice_id": self.voice_id, "weight": self.weight}


_WEIGHT: Final = re.compile(r"-?[0-9]{1,9}")


def parse_voice_mix(entries: Sequence[str]) -> list[MixedVoice]:
    """The voices of a mix, from entries like English_Graceful_Lady:70.

    Raises:
        InputError: There are too many, one is named twice, or an entry is malformed.
    """
    if len(entries) > MIXED_VOICES:
        raise InputError(
            f"voice_mix has {len(entries)} voices; MiniMax mixes {MIXED_VOICES} at most."
        )
    voices = [_parse_mixed_voice(entry) for entry in entries]
    names = [voice.voice_id for voice in voices]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"voice_mix names {_quote(name)} twice. Give it one weight.")
    return voices


def _parse_mixed_voice(entry: str) -> MixedVoice:
    """Ids of system voices may hold blanks and brackets; what follows the last colon counts."""
    voice_id, _, weight = (part.strip() for part in entry.rpartition(":"))
    if not (voice_id and _WEIGHT.fullmatch(weight)):
        raise InputError(
            f"voice_mix: {_quote(entry)} is not a voice with its weight. Write each like "
            "English_Graceful_Lady:70."
        )
    check_range(f"voice_mix: the weight of {_quote(voice_id)}", int(weight), MIX_WEIGHT)
    return MixedVoice(voice_id, int(weight))


_READING: Final = re.compile(r"(?:[^()]|\([^()]+\))+")
"""Other words, or phonetic symbols in parentheses: pinyin, jyutping or IPA."""


def check_pronunciation(entries: Iterable[str]) -> None:
    """Refuse entries that are not a word, a slash and its reading.

    Raises:
        InputError: With the malformed entry.
    """
    for entry in entries:
        word, _, reading = (part.strip() for part in entry.partition("/"))
        if not (word and _READING.fullmatch(reading)):
            raise InputError(
                f"pronunciation: {_quote(entry)} is not a word with its reading. Write each like "
                "live/(laɪv), 处理/(chu3)(li3) or omg/oh my god."  # noqa: RUF001 - IPA
            )


def _quote(text: str) -> str:
    return repr(shorten(text, SHOWN_CHARACTERS))
