"""What replaces MiniMax, in a process of its own: the sandbox, and two stubs of one answer.

It says on stdout where they listen and ends with its stdin. The stubs answer every question with
"still processing", so that a measured time is the caller's and hardly theirs.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

from minimax.sandbox import Sandbox, VideoStages, serve
from tests.support.raw_server import http

FILM_BYTES: Final = 300_000_000
"""What one finished video of the sandbox weighs."""
ANSWER_SECONDS: Final = 0.2
"""How long the slow stub takes."""
BACKLOG: Final = 1024
"""Connections that may wait at once; with fewer, some of 200 would have to knock again."""
AT_ONCE: Final = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=0)
STILL_PROCESSING: Final = http(
    {
        "task_id": "1",
        "status": "Processing",
        "file_id": "",
        "video_width": 0,
        "video_height": 0,
        "base_resp": {"status_code": 0, "status_msg": "success"},
    },
    headers={"Content-Type": "application/json"},
)


@dataclass(frozen=True, kw_only=True)
class Api:
    """Base URLs."""

    sandbox: str
    quick: str
    slow: str


async def main() -> None:
    async with AsyncExitStack() as stack:
        api = Api(
            sandbox=await stack.enter_async_context(
                serve(Sandbox(stages=AT_ONCE, video_bytes=FILM_BYTES))
            ),
            quick=await stack.enter_async_context(_stub(answer_seconds=0)),
            slow=await stack.enter_async_context(_stub(answer_seconds=ANSWER_SECONDS)),
        )
        sys.stdout.write(json.dumps(asdict(api)) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def _stub(*, answer_seconds: float) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(answer_seconds)
                writer.write(STILL_PROCESSING)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=BACKLOG)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
