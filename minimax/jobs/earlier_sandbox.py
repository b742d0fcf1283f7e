"""Explains why a job that the sandbox has forgotten is no longer known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from minimax.api.error_codes import INVALID_PARAMETER, UNKNOWN_ERROR
from minimax.errors import Outcome, RefusedError
from minimax.ledger.records import Record
from minimax.runtime import Runtime

__all__ = ["FORGOTTEN", "explain_forgotten"]

FORGOTTEN: Final = (
    "This job belongs to an earlier run of the sandbox, which forgets everything when the server "
    "ends."
)
FORGOTTEN_BY_OWN: Final = (
    f"{FORGOTTEN} Nothing was charged for it; request the video again if it is still wanted. "
    "If every call starts a server of its own, as some frameworks do, start one sandbox for all "
    "with: uv run minimax_server.py sandbox --port 8765, and set "
    "MINIMAX_API_HOST=http://127.0.0.1:8765."
)
MAY_BE_FORGOTTEN: Final = (
    "This is a sandbox: if it was restarted since then, the job belongs to an earlier run, which "
    "is forgotten."
)


@asynccontextmanager
async def explain_forgotten(runtime: Runtime, ident: str) -> AsyncIterator[None]:
    """Explain a refusal inside, where a sandbox does not know a job or file that was bought here.

    Raises:
        RefusedError: The refusal, or the explanation.
    """
    try:
        yield
    except RefusedError as refusal:
        record = await _find_forgotten(runtime, ident, refusal)
        if record is None:
            raise
        # One that runs alone may as well have kept the job for as long as MiniMax does.
        text = (
            FORGOTTEN_BY_OWN if runtime.settings.sandbox else f"{refusal.text} {MAY_BE_FORGOTTEN}"
        )
        raise RefusedError.after(refusal, text, task_id=record.task_id) from None


async def _find_forgotten(runtime: Runtime, ident: str, refusal: RefusedError) -> Record | None:
    """The row of a job that the sandbox was asked about and does not know."""
    says_unknown = refusal.code in (INVALID_PARAMETER, UNKNOWN_ERROR)
    if not (runtime.is_sandboxed and says_unknown and refusal.outcome is Outcome.REJECTED):
        return None
    return await runtime.ledger.by_task(ident) or await runtime.ledger.by_file(ident)
