"""How long a video job takes, and what its prompt can make happen to it."""

from dataclasses import dataclass
from typing import Final

from minimax.sandbox.api_errors import INPUT_SENSITIVE, Refusal

REFUSE_INPUT_MARK: Final = "[refuse input]"
"""A prompt with this mark is refused at once (1026)."""

BLOCK_OUTPUT_MARK: Final = "[block output]"
"""A prompt with this mark is accepted, and its result blocked (1027)."""

FAIL_MARK: Final = "[fail]"
"""A prompt with this mark is accepted, and the job fails without a reason."""


@dataclass(frozen=True)
class VideoStages:
    """How long a job stays in each of its states, by the sandbox's clock."""

    preparing_seconds: float = 0.5
    queueing_seconds: float = 0.5
    processing_seconds: float = 3.0

    @property
    def waiting_seconds(self) -> float:
        """From the order to the start of the work."""
        return self.preparing_seconds + self.queueing_seconds

    @property
    def total_seconds(self) -> float:
        """From the order to the end."""
        return self.waiting_seconds + self.processing_seconds


def check_prompt(prompt: str) -> None:
    """Moderate a prompt as MiniMax does before it accepts a job."""
    if REFUSE_INPUT_MARK in prompt:
        raise Refusal(INPUT_SENSITIVE)
