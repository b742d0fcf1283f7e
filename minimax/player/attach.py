"""What a host with the player gets with a result: where the player reads, and small images."""

import asyncio
import base64
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mcp.server.apps import client_supports_apps
from mcp.server.mcpserver import Context
from mcp_types import ContentBlock, ImageContent

from minimax import runtime
from minimax.errors import InputError
from minimax.time_budgets import ATTACH_SECONDS

__all__ = ["attach", "list_files"]

log = logging.getLogger(__name__)

KEY: Final = "minimax/player"
"""In the `_meta` of a result, which the player gets and no model pays for."""
THUMBNAILS_CHARACTERS: Final = 120_000
"""Base64 of all images in one result together: Claude makes a file of a result of 150,000."""
THUMBNAIL_SIDES: Final = ((1, 768), (4, 512), (9, 384))
"""Up to so many images, each so many pixels long on its longer side."""

_PATHS: Final = ("path", "subtitle_path")
"""The keys of results that name one saved file."""


async def attach(
    result: Mapping[str, Any], ctx: Context[Any, Any]
) -> tuple[list[ContentBlock], dict[str, Any]]:
    """Content and `_meta` for a host that shows the player; nothing for any other."""
    if not client_supports_apps(ctx):
        return [], {}
    here = await runtime.current()
    paths = [Path(path) for path in _paths_of(result)]
    task_id = str(result.get("task_id") or "")
    job = await here.ledger.by_task(task_id) if task_id else None
    jobs = {job.path: task_id} if job is not None and job.path is not None else {}
    meta = {
        "files": await asyncio.to_thread(list_files, here.settings.base_path, paths, jobs),
        "images": here.settings.images,
        "at": round(time.time() * 1000),
    }
    return await _thumbnails(paths) if here.settings.images else [], {KEY: meta}


def _paths_of(result: Mapping[str, Any]) -> list[str]:
    named = [result.get(key) for key in _PATHS]
    return [path for path in [*named, *result.get("paths", [])] if path]


def list_files(folder: Path, paths: list[Path], jobs: Mapping[str, str]) -> list[dict[str, Any]]:
    """Where the player reads each file; a file that it may not read is left out.

    Args:
        folder: Where results are saved.
        paths: The files of a result.
        jobs: The task id of each saved video that the ledger knows.
    """
    from minimax.files import saved

    files = []
    for path in paths:
        try:
            uri = _address(folder, path, jobs)
            info = saved.describe(path)
        except InputError:
            continue
        files.append(
            {"uri": uri, "name": path.name, "mimeType": info.media_type, "size": info.bytes}
        )
    return files


def _address(folder: Path, path: Path, jobs: Mapping[str, str]) -> str:
    """The address of a file below the folder for results, or of a job's video elsewhere.

    Raises:
        InputError: It has none.
    """
    from minimax.files import saved

    if path.is_relative_to(folder):
        inside = path.relative_to(folder).as_posix()
        saved.find_in_folder(inside, folder=folder)
        return f"minimax://media/{quote(inside)}"
    if str(path) not in jobs:
        raise InputError("Only files that this server saved can be read here.")
    return f"minimax://tasks/{quote(jobs[str(path)])}/video"


async def _thumbnails(paths: list[Path]) -> list[ContentBlock]:
    """The images of a result for the model to see, as many as are ready in time."""
    from minimax.files import media_types

    extensions = {media_types.EXTENSIONS[media_type] for media_type in media_types.IMAGE_TYPES}
    images = [path for path in paths if path.suffix[1:] in extensions]
    ready: list[ContentBlock] = []
    try:
        async with asyncio.timeout(ATTACH_SECONDS):
            for path in images:
                thumbnail = await asyncio.to_thread(_thumbnail, path, len(images))
                if thumbnail is not None:
                    ready.append(thumbnail)
    except TimeoutError:
        log.warning("Images were not made small in time, so the model does not see all of them.")
    return ready


def _thumbnail(path: Path, count: int) -> ImageContent | None:
    from minimax.files import saved

    side = next((side for most, side in THUMBNAIL_SIDES if count <= most), THUMBNAIL_SIDES[-1][1])
    most_bytes = THUMBNAILS_CHARACTERS // count // 4 * 3
    try:
        jpeg = saved.shrink_image(path, longest_side=side, most_bytes=most_bytes)
    except (InputError, OSError, ValueError):
        log.warning("An image could not be made small, so the model does not see it.")
        return None
    if jpeg is None:
        return None
    return ImageContent(data=base64.b64encode(jpeg).decode(), mime_type="image/jpeg")
