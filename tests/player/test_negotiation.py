"""What hosts are told of the player, and what hosts without it see."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ImageContent, TextContent, TextResourceContents

import minimax_server
from minimax.files import saved
from minimax.player import attach as attach_module
from minimax.player.app import META, PAGE, PAGE_URI
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.player.apps_host import ERAS, connect, player_meta
from tests.support.in_process import call

pytestmark = pytest.mark.anyio

SHOWN = {
    *("generate_video", "upscale_video", "retrieve_video_file"),
    *("text_to_audio", "text_to_image"),
}
POLLED = {"query_video_generation"}
LARGEST_PAGE_BYTES = 25_000


def dump(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.model_dump_json(by_alias=True, exclude_none=True))
    return found


# --- what every host is told -------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_only_tools_that_are_called_once_show_the_player(
    settings: Settings, sandbox: Sandbox, era: str
) -> None:
    async with connect(settings, sandbox, era=era) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools if tool.meta} == SHOWN
    assert not SHOWN & POLLED
    for tool in tools:
        if tool.meta:
            assert tool.meta["ui"]["resourceUri"] == tool.meta["ui/resourceUri"] == PAGE_URI


@pytest.mark.parametrize("era", ERAS)
async def test_the_page_comes_as_an_app_that_names_no_host(
    settings: Settings, sandbox: Sandbox, era: str
) -> None:
    async with connect(settings, sandbox, era=era) as client:
        [page] = (await client.read_resource(PAGE_URI)).contents
        listed = {str(one.uri): one for one in (await client.list_resources()).resources}
    assert isinstance(page, TextResourceContents)
    assert page.mime_type == "text/html;profile=mcp-app"
    assert page.text == PAGE.read_text(encoding="utf-8")
    assert page.meta == listed[PAGE_URI].meta
    assert page.meta == {
        "ui": {
            "csp": {"resourceDomains": ["blob:", "data:"]},
            "permissions": {"clipboardWrite": {}},
            "prefersBorder": True,
        }
    }


def test_the_page_is_small_and_needs_nothing_from_elsewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(page.encode()) < LARGEST_PAGE_BYTES
    for outside in ("http:", "https:", "//cdn", "import(", "src=", "@import", "url("):
        assert outside not in page
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert unsafe not in page


def test_the_page_calls_only_tools_that_there_are_and_that_cost_nothing() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = {tool.name for tool in minimax_server.toolbox.tools if f'"{tool.name}"' in page}
    assert named == {"query_video_generation", "retrieve_video_file"}


# --- a host without Apps -----------------------------------------------------------------------

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("text_to_audio", {"text": "Hello.", "subtitles": True}),
    ("text_to_image", {"prompt": "An oak", "n": 2}),
    ("generate_video", {"prompt": "A fox", "dry_run": True}),
    ("generate_video", {"prompt": "A fox"}),
    ("generate_video", {}),
]


@pytest.mark.parametrize("era", ERAS)
async def test_without_apps_every_result_is_what_it_was_before_the_player(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    """Compared with a server whose tools attach nothing and bind no page."""
    elsewhere = replace(
        settings,
        base_path=settings.base_path.with_name("elsewhere"),
        state_dir=settings.state_dir.with_name("elsewhere"),
    )
    async with connect(settings, sandbox, era=era, apps=False) as client:
        now = [text_of(await client.call_tool(*call), settings) for call in CALLS]
        tools_now = dump(await client.list_tools())["tools"]
    bare = [tool.model_copy(update={"meta": None}) for tool in minimax_server.toolbox.tools]
    for tool in bare:
        tool._attach = None  # type: ignore[attr-defined]
    monkeypatch.setattr(minimax_server.toolbox, "tools", bare)
    async with connect(elsewhere, sandbox, era=era, apps=False) as client:
        before = [text_of(await client.call_tool(*call), elsewhere) for call in CALLS]
        tools_before = dump(await client.list_tools())["tools"]
    assert now == before
    assert tools_now != tools_before
    assert [{k: v for k, v in tool.items() if k != "_meta"} for tool in tools_now] == tools_before


def text_of(result: CallToolResult, settings: Settings) -> str:
    """A result as it is sent, without ids, signatures and the folder."""
    sent = result.model_dump_json(by_alias=True, exclude_none=True)
    folder = str(settings.base_path)
    once = json.dumps(folder)[1:-1]  # in the result; once more in its text, which is JSON as well
    for written in (json.dumps(once)[1:-1], once, folder):
        sent = sent.replace(written, "FOLDER")
    return re.sub(r"Signature=[\w%]+|[0-9a-f]{6,}", "#", sent)


async def test_nothing_is_attached_to_a_result_of_a_host_without_apps(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connect(settings, sandbox, apps=False) as client:
        result = await client.call_tool("text_to_image", {"prompt": "An oak"})
    assert "minimax/player" not in (result.meta or {})
    assert [type(block) for block in result.content] == [TextContent]


# --- images for the model ----------------------------------------------------------------------


def thumbnails(result: CallToolResult) -> list[ImageContent]:
    return [block for block in result.content if isinstance(block, ImageContent)]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("count", [1, 4, 9])
async def test_the_model_sees_every_image_within_the_budget(
    settings: Settings, sandbox: Sandbox, era: str, count: int
) -> None:
    async with connect(settings, sandbox, era=era) as client:
        result = await client.call_tool("text_to_image", {"prompt": "An oak", "n": count})
    small = thumbnails(result)
    assert len(small) == count
    assert isinstance(result.content[0], TextContent)
    assert result.structured_content is not None
    assert sum(len(image.data) for image in small) <= attach_module.THUMBNAILS_CHARACTERS
    for image in small:
        assert base64.b64decode(image.data)[:3] == b"\xff\xd8\xff"


def test_an_image_that_compresses_badly_is_made_smaller_until_it_fits(settings: Settings) -> None:
    from PIL import Image

    settings.base_path.mkdir()
    path = settings.base_path / "image-noise-1.png"
    Image.effect_noise((1024, 1024), 200).save(path)
    jpeg = saved.shrink_image(path, longest_side=768, most_bytes=60_000)
    assert jpeg is not None
    assert len(jpeg) <= 60_000
    assert saved.shrink_image(path, longest_side=768, most_bytes=100) is None


@pytest.mark.parametrize("count", [1, 3, 9])
async def test_the_budget_holds_for_images_that_compress_badly(
    settings: Settings, count: int
) -> None:
    from PIL import Image

    settings.base_path.mkdir()
    paths = [settings.base_path / f"image-noise-{number}.png" for number in range(count)]
    for path in paths:
        Image.effect_noise((1024, 1024), 200).save(path)
    small = await attach_module._thumbnails(paths)
    assert len(small) == count
    total = sum(len(image.data) for image in small if isinstance(image, ImageContent))
    assert total <= attach_module.THUMBNAILS_CHARACTERS


async def test_images_can_be_turned_off_and_the_player_still_shows_them(
    settings: Settings, sandbox: Sandbox
) -> None:
    without = replace(settings, images=False)
    async with connect(without, sandbox) as client:
        result = await client.call_tool("text_to_image", {"prompt": "An oak", "n": 2})
    assert thumbnails(result) == []
    assert player_meta(result)["images"] is False
    assert len(player_meta(result)["files"]) == 2


# --- an ornament that fails --------------------------------------------------------------------


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken")


def refuse(*_: Any, **__: Any) -> Any:
    raise OSError("broken")


async def test_an_image_that_cannot_be_decoded_is_left_out(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "shrink_image", refuse)
    async with connect(settings, sandbox) as client:
        result = await client.call_tool("text_to_image", {"prompt": "An oak"})
    assert thumbnails(result) == []
    assert len(player_meta(result)["files"]) == 1


async def test_a_broken_ornament_leaves_the_paid_result_as_it_is(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "describe", fail)
    async with connect(settings, sandbox) as client:
        speech = await call(client, "text_to_audio", text="Hello.")
    assert Path(speech["path"]).is_file()


async def test_images_that_take_too_long_are_not_waited_for(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach_module, "ATTACH_SECONDS", 0)
    async with connect(settings, sandbox) as client:
        result = await client.call_tool("text_to_image", {"prompt": "An oak", "n": 2})
    assert thumbnails(result) == []
    assert len(player_meta(result)["files"]) == 2


async def test_a_file_that_the_player_may_not_read_is_not_named(
    settings: Settings, sandbox: Sandbox
) -> None:
    settings.base_path.mkdir()
    foreign = settings.base_path / "holiday.mp4"
    foreign.write_bytes(b"mine")
    elsewhere = [foreign, settings.base_path.parent / "video-1.mp4"]
    assert attach_module.list_files(settings.base_path, elsewhere, {}) == []


async def test_a_video_in_an_earlier_folder_is_named_by_its_job(
    settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with connect(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="A fox")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        video = await call(client, "retrieve_video_file", file_id=status["file_id"])
    jobs = {video["path"]: job["task_id"]}
    [file] = attach_module.list_files(tmp_path / "new", [Path(video["path"])], jobs)
    assert file["uri"] == f"minimax://tasks/{job['task_id']}/video"


async def test_a_client_without_apps_in_its_capabilities_can_still_read_the_page() -> None:
    async with Client(minimax_server.make_server()) as client:
        assert (await client.read_resource(META["ui"]["resourceUri"])).contents
