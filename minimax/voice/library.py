"""Lists and deletes the voices of the account."""

from collections.abc import Sequence
from typing import Final

from minimax.api.error_codes import INVALID_PARAMETER
from minimax.api.replies import Voice
from minimax.errors import RefusedError
from minimax.runtime import Runtime
from minimax.safe_text import plain, shorten
from minimax.tool_results import DeletedVoice, ListedVoice, VoiceList

__all__ = ["delete", "ids", "list_voices"]

SHOWN_DESCRIPTION: Final = 80
"""Characters of a voice's description in a list, which has to fit a model's context."""


async def list_voices(
    runtime: Runtime, *, voice_type: str = "all", search: str | None = None, limit: int = 20
) -> VoiceList:
    """The voices whose id, name or description holds `search`; own ones before system ones.

    Raises:
        MiniMaxError: MiniMax refused or could not be reached.
    """
    reply = await (await runtime.client()).list_voices(voice_type)
    cloned, designed, system = (
        [voice for voice in group if _matches(voice, search)]
        for group in (reply.voice_cloning, reply.voice_generation, reply.system_voice)
    )
    total = len(cloned) + len(designed) + len(system)
    shown_cloned = cloned[:limit]
    shown_designed = designed[: limit - len(shown_cloned)]
    shown_system = system[: limit - len(shown_cloned) - len(shown_designed)]
    return VoiceList(
        system=_summarize(shown_system),
        cloned=_summarize(shown_cloned),
        designed=_summarize(shown_designed),
        total=total,
        next_step=runtime.write_next_step(_next_step(total, limit)),
    )


async def ids(runtime: Runtime) -> list[str]:
    """Every voice id, own ones first."""
    reply = await (await runtime.client()).list_voices("all")
    groups = (*reply.voice_cloning, *reply.voice_generation, *reply.system_voice)
    return [voice.voice_id for voice in groups]


def _matches(voice: Voice, search: str | None) -> bool:
    text = " ".join([voice.voice_id, voice.voice_name, *voice.description]).casefold()
    return search is None or all(word in text for word in search.casefold().split())


def _summarize(voices: Sequence[Voice]) -> list[ListedVoice]:
    return [
        ListedVoice(
            voice_id=voice.voice_id,
            name=plain(voice.voice_name) or None,
            description=shorten(plain(" ".join(voice.description)), SHOWN_DESCRIPTION) or None,
        )
        for voice in voices
    ]


def _next_step(total: int, limit: int) -> str:
    cut = total > limit
    more = f"{total} voices match; {limit} are shown. Narrow it with search. " if cut else ""
    return (
        f"{more}Give a voice_id to text_to_audio. A new clone or design shows up here only after "
        "it has spoken for the first time."
    )


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
