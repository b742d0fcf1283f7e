"""Makes a voice from a description."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from minimax import delivery
from minimax.api.json_body import drop_none
from minimax.api.replies import DesignReply
from minimax.catalog import DESIGN_PRICE_USD, VOICE_DESIGN_MODEL
from minimax.ledger.records import Kind
from minimax.limits import DESIGN_PREVIEW_CHARACTERS
from minimax.runtime import Runtime
from minimax.spending.billed_result import BilledRequest, buy_result, keep_link, quote_result
from minimax.spending.consent import Quote
from minimax.spending.estimates import estimate_preview
from minimax.spending.wording import unused_voice_text
from minimax.tool_results import DesignedVoice
from minimax.validation import check_length
from minimax.voice.first_uses import KnownVoices
from minimax.voice.voice_ids import check_voice_id

__all__ = ["DesignRequest", "design", "quote"]


@dataclass(frozen=True, kw_only=True)
class DesignRequest:
    """What a caller may say about a design; None is "not given"."""

    prompt: str
    preview_text: str
    voice_id: str | None = None
    output_directory: str | None = None


async def design(
    runtime: Runtime,
    request: DesignRequest,
    *,
    second_charge_agreed: bool = False,
    within_seconds: float | None = None,
) -> DesignedVoice:
    """Make a voice from a description and save its preview.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, and whether it was made and charged is not known.
        MiniMaxError: MiniMax refused or could not be reached.
    """
    result = await buy_result(
        runtime,
        await _prepare(runtime, request),
        second_charge_agreed=second_charge_agreed,
        within_seconds=within_seconds,
    )
    return cast("DesignedVoice", result)


async def quote(runtime: Runtime, request: DesignRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to."""
    priced = Quote(
        f"A designed voice ({VOICE_DESIGN_MODEL})", estimate_preview(request.preview_text)
    )
    return await quote_result(runtime, priced, partial(_prepare, runtime, request))


async def _prepare(runtime: Runtime, request: DesignRequest) -> BilledRequest:
    check_length("preview_text", request.preview_text, DESIGN_PREVIEW_CHARACTERS)
    check_voice_id(request.voice_id)
    folder = await asyncio.to_thread(runtime.results.resolve_folder, request.output_directory)
    body = drop_none(
        prompt=request.prompt, preview_text=request.preview_text, voice_id=request.voice_id
    )
    return BilledRequest(
        kind=Kind.VOICE_DESIGN,
        tool="voice_design",
        noun="The voice",
        model=VOICE_DESIGN_MODEL,
        prompt=request.prompt,
        price_usd=estimate_preview(request.preview_text),
        identity={**body, "folder": str(folder)},
        send=partial(_send, runtime, body),
        make_result=partial(_make_result, runtime, folder),
        without_content=_without_preview,
    )


async def _send(runtime: Runtime, body: Mapping[str, Any]) -> DesignReply:
    return await (await runtime.client()).design_voice(body)


def _without_preview(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply as the ledger keeps it: the voice, but no sound as hex."""
    return {**reply, "trial_audio": keep_link(reply["trial_audio"])}


async def _make_result(
    runtime: Runtime, folder: Path, content: Mapping[str, Any]
) -> Mapping[str, Any]:
    reply = DesignReply.model_validate(content)
    saved, problem = await delivery.save_preview(
        runtime, reply.trial_audio, voice_id=reply.voice_id, folder=folder
    )
    runtime.get_shared(KnownVoices).note_made(reply.voice_id, DESIGN_PRICE_USD)
    return {
        "voice_id": reply.voice_id,
        "preview_path": str(saved.path) if saved else None,
        "next_step": runtime.write_next_step(
            f"The voice {reply.voice_id} is ready. "
            f"{unused_voice_text(DESIGN_PRICE_USD, sandbox=runtime.settings.sandbox)}"
            f"{delivery.saving_failed_text(problem)}"
        ),
    }
