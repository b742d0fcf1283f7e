"""A MiniMax and an object store for a deployment under fire: what was accepted is counted here."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import minimax.sandbox

__all__ = ["World", "open_world"]

SAMPLE = next(Path(minimax.sandbox.__file__).parent.glob("media/*.mp4")).read_bytes()
OK = {"status_code": 0, "status_msg": "success"}
JOB_SECONDS = 3.0


@dataclass
class World:
    """What a person would pay for, and what they would find in the store.

    Attributes:
        accepted: By prompt, how often a video was accepted.
        lost_share: Of submissions that are accepted and whose answer never comes.
        submission_seconds: How long one takes, from and to.
        callback_base: Where callbacks go; None: nowhere.
    """

    chance: random.Random
    lost_share: float = 0.05
    submission_seconds: tuple[float, float] = (0.0, 1.5)
    callback_base: Any = None
    url: str = ""
    accepted: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, tuple[str, float]] = field(default_factory=dict)
    asks: Counter[str] = field(default_factory=Counter)
    objects: dict[str, bytes] = field(default_factory=dict)
    pushes: set["asyncio.Task[None]"] = field(default_factory=set)

    # --- MiniMax -------------------------------------------------------------------------------

    async def submit(self, request: Request) -> Response:
        body = await request.json()
        await asyncio.sleep(self.chance.uniform(*self.submission_seconds))
        task_id = f"{len(self.tasks) + 1:016d}"
        self.accepted[body["prompt"]] += 1
        self.tasks[task_id] = (body["prompt"], asyncio.get_running_loop().time())
        if self.callback_base is not None and body.get("callback_url"):
            push = asyncio.create_task(self._push(body["callback_url"], task_id))
            self.pushes.add(push)
            push.add_done_callback(self.pushes.discard)
        if self.chance.random() < self.lost_share:
            return StreamingResponse(break_off(), headers={"content-length": "100"})
        return JSONResponse({"task_id": task_id, "base_resp": OK})

    async def _push(self, url: str, task_id: str) -> None:
        """As MiniMax does it: again, where nobody takes it."""
        path = "/" + url.split("/", 3)[3]
        for pause in (0.3, 1, 2, 3, 5, 8):
            await asyncio.sleep(pause)
            try:
                async with httpx2.AsyncClient(timeout=5) as http:
                    said = {"task_id": task_id, "status": "processing"}
                    if (await http.post(self.callback_base() + path, json=said)).is_success:
                        return
            except httpx2.TransportError:
                continue

    async def ask(self, request: Request) -> Response:
        task_id = request.query_params["task_id"]
        self.asks[task_id] += 1
        _, began = self.tasks[task_id]
        done = asyncio.get_running_loop().time() - began > JOB_SECONDS
        reply = {"task_id": task_id, "status": "Success" if done else "Processing"}
        return JSONResponse({**reply, "file_id": task_id if done else "", "base_resp": OK})

    async def retrieve(self, request: Request) -> Response:
        file_id = request.query_params["file_id"]
        link = f"{self.url}/download/{file_id}?Expires=9999999999&Signature=x"
        return JSONResponse({"file": {"file_id": file_id, "download_url": link}, "base_resp": OK})

    async def download(self, _: Request) -> Response:
        return Response(SAMPLE, media_type="video/mp4")

    # --- the object store ----------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        self.objects[request.path_params["name"]] = await request.body()
        return Response(headers={"etag": '"1"'})

    async def get(self, request: Request) -> Response:
        content = self.objects.get(request.path_params["name"])
        if content is None:
            return Response(status_code=404)
        headers = {"etag": '"1"', "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        return Response(content, headers=headers)


async def break_off() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionAbortedError("the answer is lost")


@asynccontextmanager
async def open_world(world: World) -> AsyncIterator[World]:
    """Let it listen."""
    routes = [
        Route("/v1/video_generation", world.submit, methods=["POST"]),
        Route("/v1/query/video_generation", world.ask),
        Route("/v1/files/retrieve", world.retrieve),
        Route("/download/{file_id}", world.download),
        Route("/bucket/{name:path}", world.put, methods=["PUT"]),
        Route("/bucket/{name:path}", world.get, methods=["GET", "HEAD"]),
    ]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    world.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield world
    finally:
        for push in list(world.pushes):
            push.cancel()
        server.should_exit = True
        await serving
