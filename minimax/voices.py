"""The account's voices: found, designed from a description, deleted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minimax import places, results
from minimax.arguments import check_length
from minimax.cloning import check_voice_id
from minimax.errors import INVALID_PARAMETER, MiniMaxError, RefusedError, plain
from minimax.media import SavedFile, stem_for
from minimax.models import (
    DESIGN_PRICE_USD,
    PRICES_AS_OF,
    DeletedVoice,
    DesignedVoice,
    DesignReply,
    ListedVoice,
    Voice,
    VoiceList,
)
from minimax.runtime import Runtime

__all__ = ["DesignRequest", "delete", "design", "found", "ids"]

LONGEST_PREVIEW: Final = 500
"""Characters (platform documentation "voice design")."""
SHOWN_DESCRIPTION: Final = 80
"""Characters of a voice's description in a list, which has to fit a model's context."""


async def found(
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
        system=_listed(shown_system),
        cloned=_listed(shown_cloned),
        designed=_listed(shown_designed),
        total=total,
        next_step=runtime.next_step(_about(total, limit)),
    )


async def ids(runtime: Runtime) -> list[str]:
    """Every voice id, own ones first."""
    reply = await (await runtime.client()).list_voices("all")
    groups = (*reply.voice_cloning, *reply.voice_generation, *reply.system_voice)
    return [voice.voice_id for voice in groups]


def _matches(voice: Voice, search: str | None) -> bool:
    text = " ".join([voice.voice_id, voice.voice_name, *voice.description]).casefold()
    return search is None or all(word in text for word in search.casefold().split())


def _listed(voices: Sequence[Voice]) -> list[ListedVoice]:
    return [
        ListedVoice(
            voice_id=voice.voice_id,
            name=plain(voice.voice_name) or None,
            description=_shortened(" ".join(voice.description)),
        )
        for voice in voices
    ]


def _shortened(text: str) -> str | None:
    line = plain(text)
    return (line if len(line) <= SHOWN_DESCRIPTION else line[: SHOWN_DESCRIPTION - 1] + "…") or None


def _about(total: int, limit: int) -> str:
    cut = total > limit
    more = f"{total} voices match; {limit} are shown. Narrow it with search. " if cut else ""
    return (
        f"{more}Give a voice_id to text_to_audio. A new clone or design shows up here only after "
        "it has spoken for the first time."
    )


@dataclass(frozen=True, kw_only=True)
class DesignRequest:
    """What a caller may say about a design; None is "not given"."""

    prompt: str
    preview_text: str
    voice_id: str | None = None
    output_directory: str | None = None


async def design(
    runtime: Runtime, request: DesignRequest, *, within_seconds: float | None = None
) -> DesignedVoice:
    """Make a voice from a description and save its preview.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        MaybeChargedError: It was sent, and whether it was made and charged is not known.
        MiniMaxError: MiniMax refused or could not be reached.
    """
    _check_design(request)
    folder = await asyncio.to_thread(
        places.output_place, request.output_directory, settings=runtime.settings
    )
    voice: DesignedVoice = await results.joined(
        runtime,
        ("design", request),
        lambda: _designed_and_saved(runtime, request, folder),
        within_seconds=within_seconds,
    )
    return voice


async def _designed_and_saved(
    runtime: Runtime, request: DesignRequest, folder: Path
) -> DesignedVoice:
    reply = await _designed(runtime, request)
    saved, problem = None, None
    if runtime.settings.resource_mode == "local" and reply.trial_audio:
        saved, problem = await _saved_preview(runtime, reply, folder=folder)
    return DesignedVoice(
        voice_id=reply.voice_id,
        preview_path=str(saved.path) if saved else None,
        next_step=runtime.next_step(
            f"The voice {reply.voice_id} is ready. MiniMax deletes it unless it speaks within 7 "
            f"days, and charges ${DESIGN_PRICE_USD:.2f} (list price, {PRICES_AS_OF}) when it first "
            f"speaks.{results.trouble(problem)}"
        ),
    )


def _check_design(request: DesignRequest) -> None:
    check_length("preview_text", request.preview_text, LONGEST_PREVIEW)
    check_voice_id(request.voice_id)


async def _designed(runtime: Runtime, request: DesignRequest) -> DesignReply:
    body: dict[str, Any] = {"prompt": request.prompt, "preview_text": request.preview_text}
    if request.voice_id is not None:
        body["voice_id"] = request.voice_id
    client = await runtime.client()
    return await results.billed(client.design_voice(body), what="The voice")


async def _saved_preview(
    runtime: Runtime, reply: DesignReply, *, folder: Path
) -> tuple[SavedFile | None, MiniMaxError | None]:
    """The preview as a file; one that cannot be saved must not hide the paid voice."""
    stem = stem_for("preview", reply.voice_id)
    try:
        return await results.save_audio(runtime, reply.trial_audio, stem=stem, folder=folder), None
    except MiniMaxError as error:
        return None, error


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
        raise RefusedError(
            f"There is no voice {voice_id!r} of the type {voice_type}; nothing was deleted. Check "
            "the exact id with list_voices, and give voice_type=voice_generation for a designed "
            "voice.",
            code=refusal.code,
            trace_id=refusal.trace_id,
        ) from None
    return DeletedVoice(voice_id=voice_id, deleted=True)
