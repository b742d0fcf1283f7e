"""Makes a voice from a description."""

from dataclasses import dataclass
from pathlib import Path

from minimax import delivery
from minimax.api.json_body import drop_none
from minimax.catalog import DESIGN_PRICE_USD, PRICES_AS_OF
from minimax.limits import DESIGN_PREVIEW_CHARACTERS
from minimax.runtime import Runtime
from minimax.spending.billed_call import call_billed, run_or_join
from minimax.tool_results import DesignedVoice
from minimax.validation import check_length
from minimax.voice.voice_ids import check_voice_id

__all__ = ["DesignRequest", "design"]


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
    check_length("preview_text", request.preview_text, DESIGN_PREVIEW_CHARACTERS)
    check_voice_id(request.voice_id)
    return await run_or_join(runtime, request, _make, within_seconds=within_seconds)


async def _make(runtime: Runtime, request: DesignRequest, folder: Path) -> DesignedVoice:
    client = await runtime.client()
    body = drop_none(
        prompt=request.prompt, preview_text=request.preview_text, voice_id=request.voice_id
    )
    reply = await call_billed(client.design_voice(body), what="The voice")
    saved, problem = await delivery.save_preview(
        runtime, reply.trial_audio, voice_id=reply.voice_id, folder=folder
    )
    return DesignedVoice(
        voice_id=reply.voice_id,
        preview_path=str(saved.path) if saved else None,
        next_step=runtime.write_next_step(
            f"The voice {reply.voice_id} is ready. MiniMax deletes it unless it speaks within 7 "
            f"days, and charges ${DESIGN_PRICE_USD:.2f} (list price, {PRICES_AS_OF}) when it first "
            f"speaks.{delivery.saving_failed_text(problem)}"
        ),
    )
