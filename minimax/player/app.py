"""What a host is told about the player: the page, the tools that show it, the files it reads."""

import asyncio
from pathlib import Path
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.apps import APP_MIME_TYPE, Apps, ResourceCsp, ResourcePermissions
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.resources import FileResource
from mcp_types import Annotations

from minimax import runtime
from minimax.errors import InputError

__all__ = ["META", "add_files", "make_extension"]

PAGE_URI: Final = "ui://minimax/player.html"
"""Some hosts keep a page until they are restarted: a page that no longer understands results of
an older server gets another address."""
PAGE: Final = Path(__file__).with_name("player.html")

META: Final[dict[str, Any]] = {"ui": {"resourceUri": PAGE_URI}, "ui/resourceUri": PAGE_URI}
"""The `_meta` of a tool whose results the player shows. The second key is what hosts of early 2026
read. Never for a tool that is called again and again: hosts open a player per call."""


def make_extension() -> Apps:
    """The MCP extension that announces the player and serves its page."""
    # Media is played from memory, under addresses that name no host.
    csp = ResourceCsp(resource_domains=["blob:", "data:"])
    permissions = ResourcePermissions(clipboard_write={})
    apps = Apps()
    apps.add_resource(
        FileResource(
            uri=PAGE_URI,
            name="player",
            title="MiniMax in the chat",
            description="The page that shows jobs, videos, speech and images in the chat.",
            mime_type=APP_MIME_TYPE,
            path=PAGE,
            encoding="utf-8",
            meta={
                "ui": {
                    "csp": csp.model_dump(by_alias=True, exclude_none=True),
                    "permissions": permissions.model_dump(by_alias=True, exclude_none=True),
                    "prefersBorder": True,
                }
            },
        )
    )
    return apps


def add_files(server: MCPServer[Any]) -> None:
    """Let the player read the files that this server saved, in pieces."""
    for_people = Annotations(audience=["user"])  # bytes mean nothing to a model

    @server.resource(
        "minimax://media/{+path}{?offset,length}",
        name="media",
        title="Saved videos, speech and images",
        mime_type="application/octet-stream",
        annotations=for_people,
    )
    async def media(path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file in the folder for saved files; the player reads it in pieces."""
        from minimax.files import saved

        settings = (await runtime.current()).settings
        try:
            place = await asyncio.to_thread(saved.find_in_folder, path, folder=settings.base_path)
        except InputError as error:
            raise ResourceError(str(error)) from None
        return await _read(place, offset, length)

    @server.resource(
        "minimax://tasks/{task_id}/video{?offset,length}",
        name="video",
        title="The saved video of a job",
        mime_type="application/octet-stream",
        annotations=for_people,
    )
    async def video(task_id: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a job's video, wherever it was saved; the player reads it in pieces."""
        here = await runtime.current()
        job = await here.ledger.by_task(task_id)
        if job is None or job.path is None:
            raise ResourceError("No saved video of this job is known on this computer.")
        return await _read(Path(job.path), offset, length)


async def _read(path: Path, offset: int, length: int | None) -> bytes:
    from minimax.files import saved

    try:
        return await asyncio.to_thread(saved.read_piece, path, offset=offset, length=length)
    except InputError as error:
        raise ResourceError(str(error)) from None
