"""Lists and deletes the voices of the account."""

import json
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal, NamedTuple

from minimax.api.error_codes import INVALID_PARAMETER
from minimax.api.replies import Voice
from minimax.errors import RefusedError
from minimax.runtime import Runtime
from minimax.safe_text import plain, shorten
from minimax.tool_results import DeletedVoice, ListedVoice, VoiceList

__all__ = ["delete", "ids", "list_voices"]

DESCRIPTION_CHARACTERS: Final = (80, 40, 20, 0)
"""Of a voice in a list; the longer the list, the fewer."""
LIST_BYTES: Final = 54_000
"""Of all voices in an answer: some 14,000 tokens in English, and never more than the 25,000 at
which Claude Code cuts an answer, at two bytes or more a token as in Chinese and in made-up ids."""
Group = Literal["cloned", "designed", "system"]


class _Found(NamedTuple):
    group: Group
    voice: Voice


class _Shown(NamedTuple):
    group: Group
    voice: ListedVoice


async def list_voices(
    runtime: Runtime, *, voice_type: str = "all", search: str | None = None, limit: int = 20
) -> VoiceList:
    """The voices whose id, name or description holds `search`; own ones before system ones.

    Raises:
        MiniMaxError: MiniMax refused or could not be reached.
    """
    reply = await (await runtime.client()).list_voices(voice_type)
    groups: list[tuple[Group, list[Voice]]] = [
        ("cloned", reply.voice_cloning),
        ("designed", reply.voice_generation),
        ("system", reply.system_voice),
    ]
    found = [
        _Found(group, voice)
        for group, voices in groups
        for voice in voices
        if _matches(voice, search)
    ]
    shown, characters = _fit_into_answer(found[:limit])
    return VoiceList(
        system=[voice for group, voice in shown if group == "system"],
        cloned=[voice for group, voice in shown if group == "cloned"],
        designed=[voice for group, voice in shown if group == "designed"],
        total=len(found),
        next_step=runtime.write_next_step(
            _describe_cut(len(found), len(shown), limit=limit)
            + _describe_shortening(characters)
            + "Give a voice_id to text_to_audio. A new clone or design shows up here only after it "
            "has spoken for the first time."
        ),
    )


async def ids(runtime: Runtime) -> list[str]:
    """Every voice id, own ones first."""
    reply = await (await runtime.client()).list_voices("all")
    groups = (*reply.voice_cloning, *reply.voice_generation, *reply.system_voice)
    return [voice.voice_id for voice in groups]


def _matches(voice: Voice, search: str | None) -> bool:
    text = " ".join([voice.voice_id, voice.voice_name, *voice.description]).casefold()
    return search is None or all(word in text for word in search.casefold().split())


def _fit_into_answer(found: Sequence[_Found]) -> tuple[list[_Shown], int]:
    """As much about these voices as an answer holds, and how long their descriptions may be.

    A long list has shorter descriptions, then none, and then fewer voices.
    """
    shown: list[_Shown] = []
    for characters in DESCRIPTION_CHARACTERS:
        shown = [_Shown(group, _summarize(voice, characters)) for group, voice in found]
        if sum(_count_bytes(voice) for _, voice in shown) <= LIST_BYTES:
            return shown, characters
    sizes = accumulate(_count_bytes(voice) for _, voice in shown)
    return shown[: sum(size <= LIST_BYTES for size in sizes)], 0


def _summarize(voice: Voice, description_characters: int) -> ListedVoice:
    description = plain(" ".join(voice.description))
    return ListedVoice(
        voice_id=voice.voice_id,
        name=plain(voice.voice_name) or None,
        description=shorten(description, description_characters) or None
        if description_characters
        else None,
    )


def _count_bytes(voice: ListedVoice) -> int:
    """In a structured answer and with a comma; the text of an answer is shorter."""
    return len(json.dumps(voice, ensure_ascii=False, separators=(",", ":")).encode()) + 1


def _describe_cut(total: int, shown: int, *, limit: int) -> str:
    if shown == total:
        return ""
    reason = ", as many as an answer holds" if shown < limit else ""
    return (
        f"{total} voices match; {shown} are shown{reason}. Find the others with search, by a "
        "language, a name or what they are like. "
    )


def _describe_shortening(characters: int) -> str:
    if characters == DESCRIPTION_CHARACTERS[0]:
        return ""
    what = f"cut to {characters} characters" if characters else "left out"
    return f"Descriptions are {what}, since the list is long; fewer voices come with them. "


async def delete(
    runtime: Runtime, voice_id: str, *, voice_type: str = "voice_cloning"
) -> DeletedVoice:
    """Delete a voice for good; its id can never be used again.

    Raises:
        RefusedError: There is no such voice of this type.
        MiniMaxError: MiniMax could not be reached.
    """
    client = await runtime.client()
    try:
        await client.delete_voice(voice_id, voice_type=voice_type)
    except RefusedError as refusal:
        if refusal.code != INVALID_PARAMETER:  # so it calls an unknown voice; T2A says 2054
            raise
        raise RefusedError.after(
            refusal,
            f"There is no voice {voice_id!r} of the type {voice_type}; nothing was deleted. Check "
            "the exact id with list_voices, and give voice_type=voice_generation for a designed "
            "voice.",
        ) from None
    return DeletedVoice(voice_id=voice_id, deleted=True)
