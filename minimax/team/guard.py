"""MiniMax as one account of a team sees it: paced, and without what belongs to others.

On a key that several accounts share, MiniMax itself makes no difference between them. So this is
the one door: what an account names must have been made by it, or be everybody's.
"""

import io
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry.trace import Tracer

from minimax.api.client import MiniMaxClient
from minimax.api.error_codes import INVALID_PARAMETER
from minimax.api.policies import Policy
from minimax.api.replies import (
    CloneReply,
    DesignReply,
    SpeechReply,
    StatusReply,
    VideoTask,
    VoicesReply,
)
from minimax.errors import MiniMaxError, Outcome, RefusedError
from minimax.team.database import Connection, Database
from minimax.team.pace import Pace

__all__ = ["Belongings", "Callbacks", "Claim", "TeamClient"]

T = TypeVar("T")

VOICE: Final = "voice"
FILE: Final = "file"
MOST_OWN_JOBS: Final = 10_000
"""Of one account, remembered by one process."""


class Claim(Enum):
    """What became of a claim."""

    NEW = "new"
    OWN = "own before"
    TAKEN = "another's"


class Belongings:
    """Which voices and uploads are an account's, where several share one key."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account
        self._own_jobs: set[tuple[str, str]] = set()
        """That were found to be this account's, which they stay."""

    async def claim(self, kind: str, ident: str) -> Claim:
        """Make it this account's, unless it is another's."""

        async def claim(db: Connection) -> Claim:
            added = await db.execute(
                "INSERT INTO minimax_belongings (kind, id, tenant) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (kind, ident, self._account),
            )
            if added.rowcount:
                return Claim.NEW
            is_own = await self._find_owner(db, kind, ident) == self._account
            return Claim.OWN if is_own else Claim.TAKEN

        return await self._database.run(claim)

    async def release(self, kind: str, ident: str) -> None:
        """Take a claim back."""

        async def release(db: Connection) -> None:
            await db.execute(
                "DELETE FROM minimax_belongings WHERE kind = %s AND id = %s AND tenant = %s",
                (kind, ident, self._account),
            )

        await self._database.run_statement(release)

    async def owns(self, kind: str, ident: str) -> bool:
        """Whether it is this account's."""

        async def look(db: Connection) -> bool:
            return await self._find_owner(db, kind, ident) == self._account

        return await self._database.run_statement(look)

    async def _find_owner(self, db: Connection, kind: str, ident: str) -> str | None:
        found = await db.execute(
            "SELECT tenant FROM minimax_belongings WHERE kind = %s AND id = %s", (kind, ident)
        )
        row = await found.fetchone()
        return None if row is None else row["tenant"]

    async def list_own(self, kind: str) -> set[str]:
        """All of this kind that is this account's."""

        async def look(db: Connection) -> set[str]:
            found = await db.execute(
                "SELECT id FROM minimax_belongings WHERE kind = %s AND tenant = %s",
                (kind, self._account),
            )
            return {row["id"] for row in await found.fetchall()}

        return await self._database.run_statement(look)

    async def owns_job(self, column: str, ident: str) -> bool:
        """Whether a task id or a file id is of a job that this account bought."""

        async def look(db: Connection) -> bool:
            found = await db.execute(
                f"SELECT FROM minimax_purchases WHERE tenant = %s AND {column} = %s LIMIT 1",
                (self._account, ident),
            )
            return await found.fetchone() is not None

        if (column, ident) in self._own_jobs:
            return True
        is_own = await self._database.run_statement(look)
        if is_own:
            if len(self._own_jobs) >= MOST_OWN_JOBS:
                self._own_jobs.clear()
            self._own_jobs.add((column, ident))
        return is_own


class Callbacks:
    """Where MiniMax is asked to tell what became of a job; see `callbacks`."""

    def url(self) -> str | None:
        """For the request that is being sent; None: nowhere."""
        return None

    async def wait_for_task(self) -> str | None:
        """The job that the request being sent has become, if MiniMax tells it in time."""
        return None


class TeamClient(MiniMaxClient):
    """See `MiniMaxClient`.

    Args:
        pace: Keeps the key below MiniMax's limits.
        callbacks: Where MiniMax may call.
        tracer: Takes a span of every submission.
        belongings: What is this account's; None where the key is its own.
        options: Of `MiniMaxClient`.
    """

    def __init__(
        self,
        *arguments: Any,
        pace: Pace,
        callbacks: Callbacks,
        belongings: Belongings | None,
        tracer: Tracer,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._pace = pace
        self._callbacks = callbacks
        self._belongings = belongings
        self._tracer = tracer

    # --- paced ---------------------------------------------------------------------------------

    async def submit_video(self, body: Mapping[str, Any]) -> str:  # noqa: D102
        await self._pace.take_turn()
        return await self._settle(super().submit_video(self._with_callback(body)))

    async def submit_video_v2(self, body: Mapping[str, Any]) -> str:  # noqa: D102
        async with self._pace.take_place() as place:
            return place.keep(
                await self._settle(super().submit_video_v2(self._with_callback(body)))
            )

    async def regenerate_video(self, body: Mapping[str, Any]) -> str:  # noqa: D102
        async with self._pace.take_place() as place:
            return place.keep(
                await self._settle(super().regenerate_video(self._with_callback(body)))
            )

    async def _settle(self, submission: Awaitable[str]) -> str:
        """The task id; where its answer was lost, as MiniMax's callback tells it."""
        try:
            with self._tracer.start_as_current_span("minimax.submit"):
                return await submission
        except MiniMaxError as error:
            if error.outcome is not Outcome.UNKNOWN:
                raise
            told = await self._callbacks.wait_for_task()
            if told is None:
                raise
            return told

    def _with_callback(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        url = self._callbacks.url()
        return body if url is None else {**body, "callback_url": url}

    # --- voices --------------------------------------------------------------------------------

    async def list_voices(self, voice_type: str) -> VoicesReply:  # noqa: D102
        found = await super().list_voices(voice_type)
        if self._belongings is None:
            return found
        own = await self._belongings.list_own(VOICE)
        return found.model_copy(
            update={
                "voice_cloning": [v for v in found.voice_cloning if v.voice_id in own],
                "voice_generation": [v for v in found.voice_generation if v.voice_id in own],
            }
        )

    async def speak(self, body: Mapping[str, Any]) -> SpeechReply:  # noqa: D102
        for voice_id in sorted(_voice_ids(body)):
            await self._require_voice(voice_id)
        return await super().speak(body)

    async def submit_long_speech(self, body: Mapping[str, Any]) -> str:  # noqa: D102
        for voice_id in sorted(_voice_ids(body)):
            await self._require_voice(voice_id)
        return await super().submit_long_speech(body)

    async def query_long_speech(self, task_id: str) -> StatusReply:  # noqa: D102
        await self._require_job("task_id", task_id)
        return await super().query_long_speech(task_id)

    async def _require_voice(self, voice_id: str) -> None:
        if self._belongings is None or await self._belongings.owns(VOICE, voice_id):
            return
        system = (await super().list_voices("system")).system_voice
        if voice_id not in {voice.voice_id for voice in system}:
            raise RefusedError(
                f"There is no voice {voice_id!r} that you may use. Nothing was sent. list_voices "
                "names those that there are."
            )

    async def clone_voice(  # noqa: D102
        self, body: Mapping[str, Any], *, policy: Policy
    ) -> CloneReply:
        request = partial(super().clone_voice, body, policy=policy)
        if self._belongings is None:
            return await request()
        await self._require_uploads(body)
        return await self._make_voice(self._belongings, str(body["voice_id"]), request)

    async def _require_uploads(self, body: Mapping[str, Any]) -> None:
        prompt = body.get("clone_prompt") or {}
        for file_id in (body.get("file_id"), prompt.get("prompt_audio")):
            if file_id is not None and self._belongings is not None:
                await self._require(
                    await self._belongings.owns(FILE, str(file_id)), "file", file_id
                )

    async def _make_voice(
        self, belongings: Belongings, voice_id: str, request: Callable[[], Awaitable[T]]
    ) -> T:
        """Claim a voice before its request, so that a lost answer leaves none that is nobody's.

        A refusal takes the claim back: a voice of that name may have been made elsewhere.
        """
        claim = await belongings.claim(VOICE, voice_id)
        if claim is Claim.TAKEN:
            raise RefusedError(
                f"The voice_id {voice_id} is taken. Choose another one. Nothing was sent."
            )
        try:
            reply = await request()
        except MiniMaxError as error:
            is_in_doubt = error.outcome is Outcome.UNKNOWN or error.after_unknown
            if claim is Claim.NEW and not is_in_doubt:
                await belongings.release(VOICE, voice_id)
            raise
        await belongings.claim(VOICE, voice_id)  # another request for it may have been refused
        return reply

    async def design_voice(self, body: Mapping[str, Any]) -> DesignReply:  # noqa: D102
        request = partial(super().design_voice, body)
        if self._belongings is None:
            return await request()
        if body.get("voice_id"):
            return await self._make_voice(self._belongings, str(body["voice_id"]), request)
        reply = await request()
        await self._belongings.claim(VOICE, reply.voice_id)
        return reply

    async def delete_voice(self, voice_id: str, *, voice_type: str) -> None:  # noqa: D102
        if self._belongings is not None:
            await self._require(await self._belongings.owns(VOICE, voice_id), "voice", voice_id)
        await super().delete_voice(voice_id, voice_type=voice_type)

    # --- files and jobs ------------------------------------------------------------------------

    async def upload_file(  # noqa: D102
        self, file: io.RawIOBase, *, name: str, media_type: str, purpose: str
    ) -> str:
        file_id = await super().upload_file(file, name=name, media_type=media_type, purpose=purpose)
        if self._belongings is not None:
            await self._belongings.claim(FILE, file_id)
        return file_id

    async def retrieve_file(self, file_id: str) -> str:  # noqa: D102
        await self._require_job("file_id", file_id)
        return await super().retrieve_file(file_id)

    async def call_video_generation_status(self, task_id: str) -> StatusReply:  # noqa: D102
        await self._require_job("task_id", task_id)
        return await super().call_video_generation_status(task_id)

    async def query_video_v2(self, task_id: str) -> VideoTask:  # noqa: D102
        await self._require_job("task_id", task_id)
        return await super().query_video_v2(task_id)

    async def delete_video_v2(self, task_id: str) -> str:  # noqa: D102
        await self._require_job("task_id", task_id)
        return await super().delete_video_v2(task_id)

    async def list_videos_v2(self) -> list[VideoTask]:
        """On a shared key none: MiniMax lists everybody's, and says of none whose it is."""
        return [] if self._belongings is not None else await super().list_videos_v2()

    async def _require_job(self, column: str, ident: str) -> None:
        if self._belongings is not None:
            made = await self._belongings.owns_job(column, ident)
            await self._require(made, column, ident)

    async def _require(self, is_own: bool, what: str, ident: object) -> None:  # noqa: FBT001
        if not is_own:
            raise RefusedError(
                f"There is no {what} {ident} of this account.", code=INVALID_PARAMETER
            )


def _voice_ids(value: Any) -> set[str]:
    """All voices that a request names, alone or in a mix."""
    if isinstance(value, Mapping):
        named = {str(value["voice_id"])} if value.get("voice_id") else set()
        return named.union(*(_voice_ids(inner) for inner in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(_voice_ids(inner) for inner in value))
    return set()
