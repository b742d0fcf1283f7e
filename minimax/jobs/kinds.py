"""Distinguishes the ids of different kinds of jobs by what is in the ledger."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from minimax.errors import InputError
from minimax.ledger.records import Kind, Record
from minimax.runtime import Runtime

__all__ = ["JOB_NOUNS", "QUERY_TOOLS", "refuse_id_of_other_kind"]

JOB_NOUNS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.VIDEO: "video", Kind.LONG_SPEECH: "long speech"}
)
"""What a job of each kind makes."""
QUERY_TOOLS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.VIDEO: "query_video_generation", Kind.LONG_SPEECH: "query_long_audio"}
)
"""The tool that follows a job of each kind."""


async def refuse_id_of_other_kind(
    runtime: Runtime, ident: str, *, field: str, kind: Kind
) -> Record | None:
    """Refuse an id that belongs to another kind of job; nothing is sent.

    Args:
        runtime: What the calls share.
        ident: A task id or a file id.
        field: The argument that it came in.
        kind: What is wanted.

    Returns:
        The job of this kind that has the id, where it was bought from here.

    Raises:
        InputError: With the call that takes it.
    """
    by_task = await runtime.ledger.by_task(ident)
    record = by_task or await runtime.ledger.by_file(ident)
    if record is None or record.kind is kind:
        return record
    what = "is the task_id of" if by_task is not None else "is a file_id of"
    raise InputError(
        f"{field}: {ident} {what} a {JOB_NOUNS[record.kind]}. Call "
        f'{QUERY_TOOLS[record.kind]}(task_id="{record.task_id}") for it. Nothing was sent.'
    )
