"""How long jobs take, and the marks in a prompt or text that make them fail."""

from dataclasses import dataclass
from typing import Final

from minimax.sandbox.api_errors import INPUT_SENSITIVE, Refusal

REFUSE_INPUT_MARK: Final = "[refuse input]"
"""A request whose prompt has this mark is refused at once (1026)."""

BLOCK_OUTPUT_MARK: Final = "[block output]"
"""A request whose prompt has this mark is accepted, and moderation blocks its result (1027)."""

FAIL_MARK: Final = "[fail]"
"""A request whose prompt has this mark is accepted, and the job fails without a reason."""


@dataclass(frozen=True)
class VideoStages:
    """How long a job stays in each state, by the sandbox's clock."""

    preparing_seconds: float = 0.5
    queueing_seconds: float = 0.5
    processing_seconds: float = 3.0

    @property
    def waiting_seconds(self) -> float:
        """The time from the request to the start of processing."""
        return self.preparing_seconds + self.queueing_seconds

    @property
    def total_seconds(self) -> float:
        """The time from the request to the end of the job."""
        return self.waiting_seconds + self.processing_seconds


def moderate_prompt(prompt: str) -> None:
    """Refuse a prompt that MiniMax's input moderation would refuse."""
    if REFUSE_INPUT_MARK in prompt:
        raise Refusal(INPUT_SENSITIVE)
