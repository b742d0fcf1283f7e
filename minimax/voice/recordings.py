"""Recordings at MiniMax: what was uploaded for clones, and how it is deleted again."""

from collections.abc import Mapping

from minimax.api.error_codes import INVALID_PARAMETER
from minimax.errors import MiniMaxError, RefusedError
from minimax.runtime import Runtime

__all__ = ["UploadedRecordings", "delete_recordings"]


class UploadedRecordings(dict[tuple[str, str], int]):
    """File ids by purpose and content, so that a repeated clone does not upload again."""

    def __init__(self, _: Runtime) -> None:
        super().__init__()

    def forget(self, file_id: int) -> None:
        """MiniMax no longer has this file."""
        for key in [key for key, known in self.items() if known == file_id]:
            del self[key]


async def delete_recordings(
    runtime: Runtime, file_ids: Mapping[str, str]
) -> dict[str, MiniMaxError]:
    """Delete uploads; each that is still there with the reason.

    Args:
        runtime: What the calls share.
        file_ids: By purpose, "" where there is none.
    """
    problems = {}
    for purpose, file_id in file_ids.items():
        if not file_id:
            continue
        try:
            await _delete(runtime, file_id, purpose)
        except MiniMaxError as error:
            problems[file_id] = error
        else:
            runtime.get_shared(UploadedRecordings).forget(int(file_id))
    return problems


async def _delete(runtime: Runtime, file_id: str, purpose: str) -> None:
    client = await runtime.client()
    try:
        await client.delete_file(file_id, purpose=purpose)
    except RefusedError as refusal:
        # An attempt that got no answer has deleted it, so that there is no such file any more.
        if refusal.code != INVALID_PARAMETER or not refusal.after_unknown:
            raise
