"""What goes up and down: how much memory it takes, and how fast it comes."""

import shutil
import statistics
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.bench import api, drive
from tests.bench.drive import Server
from tests.bench.rows import BARE, OFFICIAL, OURS, Bench, Measure, Row, in_turns, ratio, seconds
from tests.support import samples

UPLOAD_MIB: Final = 8.0
DOWNLOAD_MIB: Final = 8.0
DOWNLOAD_SPEED_RATIO: Final = 0.6

TRANSFER_TURNS: Final = 3
RECORDING_BYTES: Final = 19_000_000
RECORDING_RATE_HZ: Final = 44_100
SAMPLE_BYTES: Final = 2
SMALL_FILM: Final = samples.mp4(b"video" * 20).decode("ascii")
MB: Final = 1_000_000


async def upload(bench: Bench) -> list[Row]:
    """What a large recording adds to the peak memory, after a small one has gone the same way."""
    small = samples.put(bench.folder / "small.wav", samples.wav())
    large = _recording(bench.folder / "large.wav")

    def measure(name: str) -> Measure:
        async def added_mib() -> float:
            async with bench.serving(name, bench.api.sandbox) as server:
                await server.handshake()
                await _clone(name, server, small)
                before = server.peak_mib
                await _clone(name, server, large)
                return server.peak_mib - before

        return added_mib

    found = await in_turns(TRANSFER_TURNS, {name: measure(name) for name in bench.products})
    what = f"upload of a {RECORDING_BYTES // MB} MB recording"
    return [_added(what, found, limit=UPLOAD_MIB)]


def _added(what: str, found: Mapping[str, Sequence[float]], *, limit: float) -> Row:
    added = {name: statistics.median(values) for name, values in found.items()}
    shown = {name: f"{value:.1f} MiB more" for name, value in added.items()}
    return Row(
        what=f"{what}: peak memory",
        budget=f"at most {limit:.0f} MiB more",
        measured=shown[OURS],
        kept=added[OURS] <= limit,
        official=shown.get(OFFICIAL, ""),
        used={name: value / limit for name, value in added.items()},
    )


def _recording(path: Path) -> Path:
    """A recording of silence that MiniMax would take: 19 MB are three and a half minutes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RECORDING_RATE_HZ)
        file.writeframes(bytes(RECORDING_BYTES))
    return path


async def _clone(name: str, server: Server, recording: Path) -> None:
    voice_id = f"bench-{time.monotonic_ns()}"
    if name == OURS:
        await server.use("voice_clone", audio=str(recording), voice_id=voice_id)
    else:
        await server.use("voice_clone", file=str(recording), voice_id=voice_id, text="")


async def download(bench: Bench) -> list[Row]:
    """What a large video adds to the peak memory after a small one, and how fast it comes."""
    added: dict[str, list[float]] = {name: [] for name in bench.products}

    async with httpx.AsyncClient(
        base_url=bench.api.sandbox, headers={"Authorization": "Bearer bench"}
    ) as client:

        def measure(name: str) -> Measure:
            async def fetched() -> float:
                async with bench.serving(name, bench.api.sandbox) as server:
                    await server.handshake()
                    await _serve_small_film_once(client)
                    await _fetch(name, server, await _Film.made(client))
                    before = server.peak_mib
                    video = await _Film.made(client)
                    took = await seconds(_fetch(name, server, video))
                    added[name].append(server.peak_mib - before)
                _empty(bench.folder / drive.SAVED_FOLDER)
                return took

            return fetched

        async def least() -> float:
            link = await (await _Film.made(client)).link(client)
            took = await seconds(_stream(link, bench.folder / drive.SAVED_FOLDER / "bare.mp4"))
            _empty(bench.folder / drive.SAVED_FOLDER)
            return took

        measures = {name: measure(name) for name in bench.products} | {BARE: least}
        found = await in_turns(TRANSFER_TURNS, measures)
    return [
        _added(f"download of {api.FILM_BYTES // MB} MB", added, limit=DOWNLOAD_MIB),
        _speed(found),
    ]


def _speed(found: Mapping[str, Sequence[float]]) -> Row:
    def shown(name: str) -> str:
        rates = [api.FILM_BYTES / MB / statistics.median(found[side]) for side in (name, BARE)]
        return f"{1 / ratio(found, name):.2f} x ({rates[0]:.0f} to {rates[1]:.0f} MB/s)"

    return Row(
        what=f"download of {api.FILM_BYTES // MB} MB: speed",
        budget=f"at least {DOWNLOAD_SPEED_RATIO} x a bare httpx stream to disk",
        measured=shown(OURS),
        kept=1 / ratio(found, OURS) >= DOWNLOAD_SPEED_RATIO,
        official=shown(OFFICIAL) if OFFICIAL in found else "",
        used={name: DOWNLOAD_SPEED_RATIO * ratio(found, name) for name in found if name != BARE},
    )


@dataclass(frozen=True)
class _Film:
    """A video that is finished at MiniMax."""

    task_id: str
    file_id: str

    @classmethod
    async def made(cls, client: httpx.AsyncClient) -> "_Film":
        order = {"model": "MiniMax-Hailuo-2.3", "prompt": "a lighthouse"}
        answer = (await client.post("/v1/video_generation", json=order)).json()
        submitted = {"task_id": str(answer["task_id"])}
        status = await client.get("/v1/query/video_generation", params=submitted)
        return cls(submitted["task_id"], status.json()["file_id"])

    async def link(self, client: httpx.AsyncClient) -> str:
        found = await client.get("/v1/files/retrieve", params={"file_id": self.file_id})
        return str(found.json()["file"]["download_url"])


async def _serve_small_film_once(client: httpx.AsyncClient) -> None:
    """The next download is not the sandbox's padded video but a few bytes."""
    fault = {"path": "/download/", "status": httpx.codes.OK, "body": SMALL_FILM}
    (await client.post("/sandbox/faults", json=fault)).raise_for_status()


async def _fetch(name: str, server: Server, video: _Film) -> None:
    if name == OURS:
        await server.use("retrieve_video_file", file_id=video.file_id)
    else:
        await server.use("query_video_generation", task_id=video.task_id)


async def _stream(link: str, path: Path) -> None:
    async with httpx.AsyncClient() as client, client.stream("GET", link) as response:
        with path.open("wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
