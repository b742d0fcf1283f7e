"""The object store against somebody else's S3: moto's."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from minimax.errors import StorageError
from minimax.team.store import ObjectStore
from tests.clients.packages import ENVIRONMENT, python_with, skipped_if_it_cannot_be_had
from tests.team.test_commands import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.clients]

MOTO = "moto[server]==5.2.5"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with skipped_if_it_cannot_be_had():
        python = python_with(MOTO)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [str(python), "-m", "moto.server", "-p", str(port)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                httpx2.put(f"{url}/bucket")
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return ObjectStore("s3://bucket/results", endpoint=endpoint)


async def test_a_result_is_fetched_by_its_link_without_any_key(
    store: ObjectStore, tmp_path: Path
) -> None:
    file = tmp_path / "video.mp4"
    content = bytes(range(256)) * 64 * 1024  # in several parts
    file.write_bytes(content)
    await store.put_file("alice/video-1.mp4", file, media_type="video/mp4")
    async with httpx2.AsyncClient() as http:
        answer = await http.get(store.link("alice/video-1.mp4"))
        unsigned = await http.get(store.link("alice/none.mp4"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == content
    assert unsigned.status_code == 404
    found = await asyncio.to_thread(store.find, "alice/video-1.mp4")
    assert found is not None
    assert found.bytes == len(content)
    assert await asyncio.to_thread(store.find, "alice/none.mp4") is None


async def test_an_upload_is_sent_to_its_link_and_read_again(
    store: ObjectStore, tmp_path: Path
) -> None:
    name = "alice/uploads/0"
    async with httpx2.AsyncClient() as http:
        sent = await http.put(store.upload_link(name), content=b"a recording")
    assert sent.status_code == 200
    file = tmp_path / "upload"
    assert await store.fetch(name, file, most_bytes=100)
    assert file.read_bytes() == b"a recording"
    assert not await store.fetch("alice/uploads/1", file, most_bytes=100)
    with pytest.raises(StorageError, match="larger"):
        await store.fetch(name, file, most_bytes=1)


async def test_a_link_of_the_store_leads_back_to_its_object(store: ObjectStore) -> None:
    assert store.name_in(store.link("alice/image a-1.png")) == "alice/image a-1.png"
    assert store.name_in("https://elsewhere.example/bucket/alice/x.png") is None


async def test_a_store_that_does_not_answer_says_what_to_do(tmp_path: Path) -> None:
    gone = ObjectStore("s3://bucket", endpoint=f"http://127.0.0.1:{free_port()}")
    file = tmp_path / "x"
    file.write_bytes(b"x")
    with pytest.raises(StorageError, match=r"object store .* call again"):
        await gone.put_file("x", file, media_type="video/mp4")
