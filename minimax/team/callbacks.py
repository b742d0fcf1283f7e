"""MiniMax tells what became of a request, even where its answer was lost.

The address names the ledger's row and is signed, so nobody else can name one. That is the nearest
thing to an idempotency key that MiniMax has: a submission in doubt gets its task id by itself.
"""

import hashlib
import hmac
import json
from typing import Any, Final

from minimax.runtime import current_purchase
from minimax.team.database import Connection, Database
from minimax.team.guard import Callbacks
from minimax.team.ledger import OnAccepted, accept_row
from minimax.validation import is_id

__all__ = ["PATH", "SignedCallbacks"]

PATH: Final = "/minimax/callback/{key}/{signature}"
SIGNATURE_CHARACTERS: Final = 32
MOST_BYTES: Final = 64 * 1024


class SignedCallbacks(Callbacks):
    """The addresses, and what MiniMax sends to them.

    Args:
        base_url: Where MiniMax reaches this deployment.
        secret: The same on all replicas.
    """

    def __init__(self, base_url: str, secret: str) -> None:
        self._base_url = base_url
        self._secret = secret.encode()

    def url(self) -> str | None:
        """See `guard.Callbacks`."""
        key = current_purchase()
        return None if key is None else f"{self._base_url}/minimax/callback/{key}/{self._sign(key)}"

    def _sign(self, key: str) -> str:
        digest = hmac.new(self._secret, b"callback " + key.encode(), hashlib.sha256)
        return digest.hexdigest()[:SIGNATURE_CHARACTERS]

    def is_signed(self, key: str, signature: str) -> bool:
        """Whether this address is one of ours."""
        return hmac.compare_digest(signature.encode(), self._sign(key).encode())


def read_push(body: bytes) -> dict[str, Any]:
    """What MiniMax sent; nothing where it is no JSON object."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def note_push(
    database: Database, key: str, said: dict[str, Any], on_accepted: OnAccepted
) -> None:
    """Settle the row that a push is about; the same push again changes nothing."""
    task_id = str(said.get("task_id") or "")
    if not is_id(task_id):
        return

    async def note(db: Connection) -> None:
        await accept_row(db, key, task_id=task_id, on_accepted=on_accepted)

    await database.run(note)
