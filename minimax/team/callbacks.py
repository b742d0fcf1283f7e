"""MiniMax reports what became of a request, even if its answer was lost.

The address names the ledger's row and is signed, so nobody else can name one. That is the nearest
thing to an idempotency key that MiniMax has: a submission in doubt gets its task id by itself.
"""

import hashlib
import hmac
import json
from typing import Any, Final

from minimax.ledger.records import State
from minimax.runtime import current_purchase
from minimax.team.database import Connection, Database, Row
from minimax.team.guard import Callbacks
from minimax.team.ledger import OnAccepted, accept_row
from minimax.team.telemetry import Telemetry
from minimax.validation import is_id

__all__ = ["PATH", "SignedCallbacks"]

PATH: Final = "/minimax/callback/{key}/{signature}"
SIGNATURE_CHARACTERS: Final = 32
MOST_BYTES: Final = 64 * 1024
LONGEST_WAIT_SECONDS: Final = 8.0
"""For a callback about a request whose answer was lost; the first one comes at acceptance."""
LOOK_SECONDS: Final = 0.5


class SignedCallbacks(Callbacks):
    """The addresses, and what MiniMax sends to them.

    Args:
        base_url: Where MiniMax reaches this deployment.
        secret: The same on all replicas.
        database: Where what they tell is written down.
    """

    def __init__(self, base_url: str, secret: str, database: Database) -> None:
        self._database = database
        self._base_url = base_url
        self._secret = secret.encode()

    def url(self) -> str | None:
        """See `guard.Callbacks`."""
        key = current_purchase()
        return None if key is None else f"{self._base_url}/minimax/callback/{key}/{self._sign(key)}"

    async def wait_for_task(self) -> str | None:
        """See `guard.Callbacks`."""
        key = current_purchase()
        waited_seconds = 0.0
        while key is not None and waited_seconds < LONGEST_WAIT_SECONDS:
            await self._database.clock.sleep(LOOK_SECONDS)
            waited_seconds += LOOK_SECONDS
            task_id = await self._read_task(key)
            if task_id is not None:
                return task_id
        return None

    async def _read_task(self, key: str) -> str | None:
        async def read(db: Connection) -> str | None:
            found = await db.execute(
                "SELECT task_id FROM minimax_purchases WHERE key = %s AND state = 'accepted'",
                (key,),
            )
            row = await found.fetchone()
            return None if row is None else row["task_id"]

        return await self._database.run(read)

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
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _may_be_about(db: Connection, key: str, task_id: str) -> bool:
    """Whether a job can be what a row has become: its answer is missing, and the job is new."""
    found = await db.execute(
        "SELECT FROM minimax_purchases WHERE key = %(key)s AND state IN ('submitting', 'unknown')"
        " AND NOT EXISTS (SELECT FROM minimax_purchases WHERE task_id = %(task_id)s)",
        {"key": key, "task_id": task_id},
    )
    return await found.fetchone() is not None


async def note_push(
    database: Database,
    key: str,
    said: dict[str, Any],
    *,
    on_accepted: OnAccepted,
    telemetry: Telemetry,
) -> None:
    """Settle the row that a push is about; the same push again changes nothing."""
    task_id = str(said.get("task_id") or "")
    if not is_id(task_id):
        return

    async def note(db: Connection) -> Row | None:
        if not await _may_be_about(db, key, task_id):
            return None
        return await accept_row(db, key, task_id=task_id, on_accepted=on_accepted)

    row = await database.run(note)
    if row is not None:
        telemetry.count_outcome(
            account=row["tenant"],
            kind=row["kind"],
            state=State.ACCEPTED,
            price_usd=row["price_usd"],
        )
