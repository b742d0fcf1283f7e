"""MiniMax-H3 videos from reference videos and recordings: what is checked, sent, and charged."""

import base64
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.catalog import VIDEO_MODELS, price_list
from minimax.errors import InputError, MaybeChargedError, SpendingLimitError, UnansweredError
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.video import prepare, submit
from minimax.video.apis import h3
from minimax.video.request import VideoRequest
from tests.support import samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.media_seeds import atom, clip, mp3
from tests.support.raw_server import RawServer, ok, reply, serve_raw
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

H3 = "MiniMax-H3"
MAX = "MiniMax-H3-Max"
LINK = "https://media.example/clip.mp4"


@pytest.fixture
def files(home: Path) -> dict[str, str]:
    """One file of each kind, by the name that the tables below use."""
    made = {
        "image": ("image.png", samples.png(300, 300)),
        "mp4": ("walk.mp4", clip(4.2)),
        "mov": ("walk.mov", clip(5, brand=b"qt  ", codec=b"hvc1")),
        "long": ("long.mp4", clip(15)),
        "short": ("short.mp4", clip(1.5)),
        "wav": ("voice.wav", samples.wav(3)),
        "mp3": ("music.mp3", mp3(8)),
        "short-wav": ("short.wav", samples.wav(1)),
        "long-wav": ("long.wav", samples.wav(15)),
        "m4a": ("voice.m4a", atom(b"ftyp", b"M4A ", bytes(4))),
        "text": ("notes.mp4", b"these are words, and no video"),
    }
    paths = {name: str(put(home / file, data)) for name, (file, data) in made.items()}
    uri = "data:video/mp4;base64," + base64.b64encode(clip(2)).decode()
    return {**paths, "uri": uri, "link": LINK}


def with_files(fields: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """Arguments whose files are named by their kind."""
    kinds = ("references", "reference_videos", "reference_audios")
    named = {name: [files[one] for one in fields[name]] for name in kinds if name in fields}
    frames = {name: files[fields[name]] for name in FRAMES if name in fields}
    return {"prompt": "a dance", "model": H3, **fields, **named, **frames}


FRAMES = ("first_frame", "last_frame", "subject_image")

# --- what is refused before anything is sent ---------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"reference_videos": ["mp4"] * 4}, "3 videos at most; there are 4", id="4-v"),
        pytest.param(
            {"reference_audios": ["wav"] * 4}, "3 recordings at most; there are 4", id="4-audios"
        ),
        pytest.param(
            {
                "references": ["image"] * 9,
                "reference_videos": ["mp4"] * 2,
                "reference_audios": ["wav"] * 2,
            },
            "12 files together; there are 13",
            id="13-files",
        ),
        pytest.param({"reference_videos": ["short"]}, "1.5 seconds long", id="short-video"),
        pytest.param(
            {"reference_videos": ["long", "mp4"]}, "19.2 seconds long together", id="19-s-of-video"
        ),
        pytest.param({"reference_audios": ["short-wav"]}, "1.0 seconds long", id="short-audio"),
        pytest.param(
            {"reference_audios": ["long-wav", "wav"]}, "18.0 seconds long together", id="18-s-audio"
        ),
        pytest.param({"reference_videos": ["wav"]}, "takes videos as mov, mp4", id="wav-as-video"),
        pytest.param({"reference_videos": ["text"]}, "takes videos as mov, mp4", id="text"),
        pytest.param(
            {"reference_audios": ["mp4"]}, "walk.mp3. VLC does it too", id="video-as-audio"
        ),
        pytest.param({"reference_audios": ["m4a"]}, ".mp3. VLC does it too", id="m4a"),
        pytest.param({"references": ["mp4"]}, "takes images as", id="video-as-image"),
        pytest.param({"reference_videos": ["mp4"], "prompt": ""}, "prompt is required", id="mute"),
        *[
            pytest.param(
                {frame: "image", name: [kind], "model": model},
                f"{frame} and {name} cannot be combined",
                id=f"{model}-{frame}-and-{name}",
            )
            for model in (H3, MAX, "MiniMax-Hailuo-02", "S2V-01", "MiniMax-H4")
            for frame in FRAMES
            for name, kind in (("reference_videos", "mp4"), ("reference_audios", "wav"))
        ],
        *[
            pytest.param(
                {name: [kind], "model": "MiniMax-Hailuo-2.3"},
                "no video from reference images, videos or recordings. Models that do: MiniMax-H3",
                id=f"hailuo-{name}",
            )
            for name, kind in (("reference_videos", "mp4"), ("reference_audios", "wav"))
        ],
    ],
)
async def test_each_violation_is_refused_before_anything_is_sent(
    fields: dict[str, Any], said: str, files: dict[str, str], settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        told = await failure(client, "generate_video", **with_files(fields, files))
    assert said in told.replace('"', "")  # Windows' shells have names in quotes
    assert not sandbox.requests


async def test_a_file_that_may_not_be_read_is_refused(
    settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    outside = put(tmp_path / "outside.mp4", clip())
    async with connected(settings, sandbox) as client:
        said = await failure(client, "generate_video", prompt="x", reference_videos=[str(outside)])
    assert "not inside a folder that inputs may come from" in said
    assert not sandbox.requests


@pytest.mark.parametrize("link", ["http://media.example/a.mp4", "https://user:pw@media.example/a"])
async def test_a_link_that_is_not_plain_https_is_refused(
    link: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert await failure(client, "generate_video", prompt="x", reference_audios=[link])
    assert not sandbox.requests


# --- what is taken, and what it costs ----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        pytest.param({"reference_videos": ["mp4"]}, 0.40 + 5 * 0.08, id="begun-seconds-count"),
        pytest.param({"reference_videos": ["mov"]}, 0.40 + 5 * 0.08, id="mov"),
        pytest.param({"reference_videos": ["uri"]}, 0.40 + 2 * 0.08, id="data-uri"),
        pytest.param({"reference_videos": ["mp4", "mov", "uri"]}, 0.40 + 12 * 0.08, id="three"),
        pytest.param(
            {"reference_videos": ["long"], "resolution": "2K", "duration": 4}, 19 * 0.13, id="2k"
        ),
        pytest.param({"reference_audios": ["wav", "mp3", "wav"]}, 0.40, id="recordings-are-free"),
        pytest.param(
            {"references": ["image"] * 7, "reference_videos": ["mp4"], "reference_audios": ["mp3"]},
            0.40 + 2 * 0.04 + 5 * 0.08,
            id="all-kinds",
        ),
        pytest.param(
            {"references": ["image"] * 6, "reference_videos": ["uri"] * 3, "ratio": "adaptive",
             "reference_audios": ["wav"] * 3},
            0.40 + 0.04 + 6 * 0.08,
            id="twelve-files",
        ),
        pytest.param(
            {"reference_videos": ["mp4"], "model": MAX}, 0.40 + 5 * 0.143, id="max-768p"
        ),
        pytest.param(
            {"reference_videos": ["mp4"], "model": MAX, "resolution": "480P"},
            0.25 + 5 * 0.0553,
            id="max-480p",
        ),
    ],
)  # fmt: skip
async def test_each_legal_combination_is_accepted_at_the_price_that_dry_run_tells(
    fields: dict[str, Any], usd: float, files: dict[str, str], settings: Settings, sandbox: Sandbox
) -> None:
    given = with_files(fields, files)
    async with connected(settings, sandbox) as client:
        priced = await call(client, "generate_video", **given, dry_run=True)
        assert not sandbox.requests
        job = await call(client, "generate_video", **given)
    assert (
        priced["estimated_cost_usd"] == job["estimated_cost_usd"] == pytest.approx(usd, abs=0.006)
    )
    assert sandbox.bill[-1].amount_usd == pytest.approx(usd)
    assert "This is the maximum" not in priced["next_step"]


async def test_references_of_any_kind_choose_h3(
    settings: Settings, sandbox: Sandbox, files: dict[str, str]
) -> None:
    async with connected(settings, sandbox) as client:
        video = await call(
            client, "generate_video", prompt="x", reference_videos=[files["mp4"]], dry_run=True
        )
        audio = await call(
            client, "generate_video", prompt="x", reference_audios=[files["wav"]], dry_run=True
        )
    assert video["model"] == audio["model"] == H3


@pytest.mark.parametrize(
    ("videos", "seconds"),
    [
        pytest.param(["link"], 15, id="one-link"),
        pytest.param(["link", "mp4"], 16, id="a-link-and-a-file"),
        pytest.param(["link", "link", "link"], 17, id="three-links"),
    ],
)
async def test_a_linked_video_counts_as_long_as_minimax_takes_them_and_the_answer_says_so(
    videos: list[str], seconds: int, files: dict[str, str], settings: Settings, sandbox: Sandbox
) -> None:
    given = with_files({"reference_videos": videos}, files)
    async with connected(settings, sandbox) as client:
        priced = await call(client, "generate_video", **given, dry_run=True)
        job = await call(client, "generate_video", **given)
    for result in (priced, job):
        assert result["estimated_cost_usd"] == pytest.approx(0.40 + seconds * 0.08)
        assert "This is the maximum" in result["next_step"]


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param((15.0,), id="one"),
        pytest.param((2.1, 12.9), id="two"),
        pytest.param((2.2, 2.2, 10.6), id="three"),
        pytest.param((4.1, 5.1, 5.8), id="three-begun"),
    ],
)
def test_no_lengths_that_minimax_takes_cost_more_than_links_are_counted_for(
    lengths: tuple[float, ...], home: Path, settings: Settings
) -> None:
    paths = [
        str(put(home / f"{n}.mp4", clip(seconds, rate=30))) for n, seconds in enumerate(lengths)
    ]
    priced = [
        prepare_video(VideoRequest(prompt="x", reference_videos=videos), settings).list_price_usd
        for videos in (paths, [LINK] * len(paths))
    ]
    assert priced[0] is not None
    assert priced[1] is not None
    assert priced[0] <= priced[1]


def prepare_video(request: VideoRequest, settings: Settings) -> prepare.PreparedVideo:
    with ExitStack() as opened:
        return prepare.prepare(request, settings=settings, opened=opened)


async def test_the_seconds_of_references_count_for_the_daily_limit(
    settings: Settings, sandbox: Sandbox, files: dict[str, str], time: VirtualTime
) -> None:
    limited = replace(settings, daily_limit_usd=1.0)
    async with use_runtime(limited, sandbox, time):
        await minimax_server.generate_video("x", reference_videos=[files["mp4"]])
        with pytest.raises(SpendingLimitError, match=r"would cost \$0\.80, and \$0\.80"):
            await minimax_server.generate_video("y", reference_videos=[files["mp4"]])
    assert sandbox.count_charges("video") == 1


def test_the_list_of_prices_names_what_references_cost() -> None:
    listed = {model["model"]: model for model in price_list()["video"]}
    assert listed[H3]["second_of_reference_video"] == {"768P": 0.08, "2K": 0.13}
    assert listed[H3]["images_free_of_charge"] == 5
    assert "second_of_reference_video" not in listed["MiniMax-Hailuo-02"]
    assert {name for name, model in VIDEO_MODELS.items() if model.reference_video_usd} == {H3, MAX}


# --- what is sent ------------------------------------------------------------------------------


async def send_to(api: RawServer, settings: Settings, time: VirtualTime, **given: Any) -> Any:
    """The body of the request that buys."""
    async with use_runtime(settings, api, time):
        await minimax_server.generate_video(**given)
    return api.requests[-1].json


async def test_references_are_sent_with_their_roles_in_the_order_in_which_they_were_given(
    settings: Settings, files: dict[str, str], time: VirtualTime
) -> None:
    kinds = {
        "references": ["image"],
        "reference_videos": ["mp4", "link"],
        "reference_audios": ["mp3", "wav"],
    }
    async with serve_raw(reply({"task_id": "7"})) as api:
        body = await send_to(api, settings, time, **with_files(kinds, files))
    text, *items = body["content"]
    assert text == {"type": "text", "text": "a dance"}
    assert [(item["type"], item["role"]) for item in items] == [
        ("image_url", "reference_image"),
        ("video_url", "reference_video"),
        ("video_url", "reference_video"),
        ("audio_url", "reference_audio"),
        ("audio_url", "reference_audio"),
    ]
    urls = [item[item["type"]]["url"] for item in items]
    heads = ["data:image/png", "data:video/mp4", LINK, "data:audio/mp3", "data:audio/wav"]
    assert [url.split(";")[0] for url in urls] == heads
    sent = base64.b64decode(urls[1].split(",")[1])
    assert sent == Path(files["mp4"]).read_bytes()


async def test_a_mov_is_uploaded_as_no_data_uri_is_documented_for_it(
    settings: Settings, files: dict[str, str], time: VirtualTime
) -> None:
    upload = ok(file={"file_id": 318204477100233})
    async with serve_raw(upload, reply({"task_id": "7"})) as api:
        body = await send_to(
            api, settings, time, **with_files({"reference_videos": ["mov", "mp4"]}, files)
        )
    assert [request.target for request in api.requests] == [
        "/v1/files/upload",
        "/v2/video_generation",
    ]
    sent = api.requests[0].body
    assert b'name="purpose"\r\n\r\nvideo_generation_input' in sent
    assert b'filename="walk.mov"' in sent
    assert Path(files["mov"]).read_bytes() in sent
    _, first, second = body["content"]
    assert first == {
        "type": "video_url",
        "video_url": {"url": "mm_file://318204477100233"},
        "role": "reference_video",
    }
    assert second["video_url"]["url"].startswith("data:video/mp4;base64,")


@pytest.fixture
def too_large(home: Path, monkeypatch: pytest.MonkeyPatch) -> VideoRequest:
    """A request whose largest files, a video and a recording, do not fit into one request."""
    contents = {
        "references": samples.png(300, 300),
        "reference_videos": clip(rest=atom(b"free", bytes(90_000))),
        "reference_audios": samples.wav(9),
    }
    room = 4 * len(contents["references"]) // 3 + 500
    monkeypatch.setattr(h3, "LARGEST_BODY_BYTES", room)
    given: dict[str, Any] = {name: [str(put(home / name, data))] for name, data in contents.items()}
    return VideoRequest(prompt="x", model=H3, **given)


async def test_the_largest_files_are_uploaded_where_a_request_would_be_too_large(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, too_large: VideoRequest
) -> None:
    async with use_runtime(settings, sandbox, time) as running:
        job = await submit.submit(running, too_large)
    uploaded = [file for file in sandbox.files.values() if file.purpose == "video_generation_input"]
    assert sorted(file.suffix for file in uploaded) == [".mp4", ".wav"]
    assert job["estimated_cost_usd"] == pytest.approx(sandbox.bill[-1].amount_usd)


async def test_a_file_that_cannot_be_uploaded_is_no_purchase(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, too_large: VideoRequest
) -> None:
    sandbox.faults.add(Fault("/v1/files/upload", status=502, times=3))
    async with use_runtime(settings, sandbox, time) as running:
        with pytest.raises(UnansweredError, match="no video was requested and nothing was charged"):
            await submit.submit(running, too_large)
        assert (await submit.submit(running, too_large))["status"] == "queued"
    assert sandbox.count_charges("video") == 1


# --- what makes two requests the same purchase -------------------------------------------------


def rename(files: dict[str, str], home: Path) -> dict[str, str]:
    copy = put(home / "copy.mp4", Path(files["mp4"]).read_bytes())
    return {**files, "mp4": str(copy)}


def change(files: dict[str, str], home: Path) -> dict[str, str]:
    put(Path(files["mp4"]), clip(4.2, height=400))
    return files


@pytest.mark.parametrize(
    ("alter", "is_same"),
    [
        pytest.param(rename, True, id="same-content"),
        pytest.param(change, False, id="other-content"),
    ],
)
async def test_the_content_of_references_decides_what_is_the_same_purchase(
    alter: Callable[[dict[str, str], Path], dict[str, str]],
    is_same: bool,
    files: dict[str, str],
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
    home: Path,
) -> None:
    sandbox.faults.add(Fault("/v2/video_generation", when="after", reset=True))
    fields = {"reference_videos": ["mp4"], "reference_audios": ["wav"]}
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.generate_video(**with_files(fields, files))
        again = with_files(fields, alter(files, home))
        if is_same:
            with pytest.raises(MaybeChargedError):
                await minimax_server.generate_video(**again)
        else:
            assert not (await minimax_server.generate_video(**again))["reused"]
    assert sandbox.count_charges("video") == (1 if is_same else 2)


@pytest.mark.parametrize("name", ["reference_videos", "reference_audios"])
def test_the_order_of_references_matters(
    name: str, files: dict[str, str], settings: Settings
) -> None:
    """A prompt says "video 1" and "video 2"."""
    kinds = {"reference_videos": ["mp4", "uri"], "reference_audios": ["wav", "mp3"]}[name]
    with ExitStack() as opened:
        bodies = [
            prepare.prepare(
                VideoRequest(**with_files({name: order}, files)), settings=settings, opened=opened
            ).body
            for order in (kinds, kinds[::-1])
        ]
        one, other = [json.dumps(body, default=lambda file: file.digest()) for body in bodies]
    assert one != other


async def test_a_video_that_changes_while_it_is_read_is_no_purchase(
    settings: Settings, sandbox: Sandbox, files: dict[str, str], home: Path
) -> None:
    """A file that got shorter is an error before the request, not half of a video in it."""
    with ExitStack() as opened:
        video = prepare.prepare(
            VideoRequest(**with_files({"reference_videos": ["mp4"]}, files)),
            settings=settings,
            opened=opened,
        )
        with Path(files["mp4"]).open("r+b") as file:
            file.truncate(100)
        with pytest.raises(Exception, match="changed while it was being read"):
            video.body["content"][1]["video_url"]["url"].digest()


async def test_a_link_is_not_fetched_by_this_server(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minimax.files import safe_fetch

    def refuse(*_: object, **__: object) -> object:
        raise InputError("it was fetched")

    monkeypatch.setattr(safe_fetch, "fetch", refuse)
    async with connected(settings, sandbox) as client:
        job = await call(
            client,
            "generate_video",
            prompt="x",
            reference_videos=[LINK],
            reference_audios=["https://media.example/voice.wav"],
        )
    assert job["status"] == "queued"
