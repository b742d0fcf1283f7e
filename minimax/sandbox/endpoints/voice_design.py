"""The voice_design endpoint: a voice from a description, with a preview."""

from collections.abc import Mapping
from typing import Any, Final

from minimax.sandbox.billing import Bill
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.text_to_audio import count_characters
from minimax.sandbox.endpoints.voices import DESIGNED, Voices
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media import samples
from minimax.sandbox.scenarios import moderate_prompt

# MiniMax API: POST /v1/voice_design.
MAX_PREVIEW_CHARACTERS: Final = 500
PREVIEW_USD_PER_CHARACTER: Final = 60 / 1_000_000


class VoiceDesign:
    """The voice_design endpoint."""

    def __init__(self, *, voices: Voices, bill: Bill, ids: IdGenerator) -> None:
        self._voices = voices
        self._bill = bill
        self._ids = ids

    def design(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/voice_design: the preview is returned as hex, never as a link."""
        params = Params(body)
        prompt = params.read_text("prompt", required=True)
        preview = params.read_text("preview_text", required=True, max_length=MAX_PREVIEW_CHARACTERS)
        params.read_flag("aigc_watermark")
        voice_id = params.read_text("voice_id") or self._ids.new_voice_id()
        self._voices.check_free(voice_id)
        moderate_prompt(prompt)
        self._voices.create(voice_id, voice_type=DESIGNED, description=prompt)
        price_usd = count_characters(preview) * PREVIEW_USD_PER_CHARACTER
        self._bill.charge("speech", price_usd, item_id=voice_id)
        return {"voice_id": voice_id, "trial_audio": samples.load_speech().data.hex()}
