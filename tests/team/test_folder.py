"""A folder as the store: links that the replicas sign and serve."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from minimax.team import folder
from minimax.team.store import ObjectStore

pytestmark = pytest.mark.anyio
ADDRESS = "http://replica.example"
VIDEO = bytes(range(256)) * 64
VIDEO_NAME = "alice/video ä-1.mp4"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "the team's files"


@pytest.fixture
def store(path: Path) -> ObjectStore:
    return ObjectStore(path.as_uri(), endpoint=ADDRESS, secret="s" * 32)


@pytest.fixture
async def http(store: ObjectStore) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with a link and nothing else."""
    assert store.folder is not None
    route = Route(f"{folder.PATH}/{{name:path}}", store.folder.answer, methods=["GET", "PUT"])
    transport = httpx2.ASGITransport(Starlette(routes=[route]))
    async with httpx2.AsyncClient(transport=transport) as client:
        yield client


@pytest.fixture
async def link(store: ObjectStore, tmp_path: Path) -> str:
    """To a video that was stored."""
    file = tmp_path / "made.mp4"
    file.write_bytes(VIDEO)
    await store.put_file(VIDEO_NAME, file, media_type="video/mp4")
    return store.link(VIDEO_NAME)


async def test_a_result_is_fetched_by_its_link_whole_or_in_part(
    link: str, http: httpx2.AsyncClient
) -> None:
    whole = await http.get(link)
    part = await http.get(link, headers={"Range": "bytes=256-511"})
    facts = await http.head(link)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content == VIDEO
    assert (part.status_code, part.content) == (206, VIDEO[256:512])
    assert facts.headers["content-length"] == str(len(VIDEO))
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("-1.mp4", "-2.mp4", id="another-name"),
        pytest.param("signature=", "signature=0", id="another-signature"),
        pytest.param("expires=", "expires=9", id="another-end"),
        pytest.param("expires=", "expires=x", id="no-end"),
        pytest.param("signature=", "unsigned=", id="no-signature"),
    ],
)
async def test_a_link_that_was_changed_leads_nowhere(
    link: str, http: httpx2.AsyncClient, old: str, new: str
) -> None:
    assert old in link
    assert (await http.get(link.replace(old, new))).status_code in (403, 404)


async def test_a_link_ends_after_an_hour(
    link: str, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3598)
    assert (await http.get(link)).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 3602)
    assert (await http.get(link)).status_code == 403


async def test_a_link_to_fetch_takes_no_upload_and_one_to_upload_gives_nothing(
    link: str, store: ObjectStore, http: httpx2.AsyncClient
) -> None:
    assert (await http.put(link, content=b"mine")).status_code == 403
    assert (await http.get(store.upload_link(VIDEO_NAME))).status_code == 403
    assert (await http.get(link)).content == VIDEO


async def test_an_upload_is_there_once_all_of_it_has_come(
    store: ObjectStore, http: httpx2.AsyncClient, path: Path, tmp_path: Path
) -> None:
    name = "alice/uploads/1"
    sent = await http.put(store.upload_link(name), content=b"a recording")
    file = tmp_path / "fetched"
    assert sent.status_code == 200
    assert await store.fetch(name, file, most_bytes=100)
    assert file.read_bytes() == b"a recording"
    assert [each.name for each in (path / "alice" / "uploads").iterdir()] == ["1"]


async def test_an_upload_that_is_too_large_leaves_nothing(
    store: ObjectStore, http: httpx2.AsyncClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MOST_UPLOAD_BYTES", 10)
    sent = await http.put(store.upload_link("alice/uploads/1"), content=b"a recording")
    assert sent.status_code == 413
    assert not list((path / "alice" / "uploads").iterdir())


@pytest.mark.parametrize(("name", "status"), [("../secret", 403), ("video.mp4", 200)])
async def test_a_name_outside_the_folder_is_not_served_even_if_it_is_signed(
    store: ObjectStore, path: Path, name: str, status: int
) -> None:
    assert store.folder is not None
    (path.parent / "secret").write_text("a key")
    (path / "video.mp4").write_bytes(VIDEO)
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": urlsplit(store.folder.sign("GET", name, 60)).query.encode(),
        "path_params": {"name": name},
    }
    assert (await store.folder.answer(Request(scope))).status_code == status


async def test_a_link_is_known_as_one_of_this_store(store: ObjectStore, link: str) -> None:
    assert store.name_in(link) == VIDEO_NAME
    assert store.name_in("http://elsewhere.example/objects/alice/x.png") is None
