"""What a team sees of files: links and uploads, and no path of the server's disk."""

import json
import os
import re
from pathlib import Path
from typing import Any

import obstore
import pytest

import minimax_server
from minimax.errors import StorageError
from minimax.files import outputs
from minimax.team import face
from minimax.team.face import NOT_ON_DISK, make_face, rephrase
from minimax.team.store import ObjectStore
from tests.support import samples
from tests.support.paid_jobs import SHORT_TOOLS, PaidTool
from tests.team.deployment import (
    ALICE,
    DAVE,
    Deployment,
    Replica,
    call,
    connect,
    count_downloads,
    failure,
    put_object,
    put_upload,
)

pytestmark = pytest.mark.anyio

JOBS = {"generate_video", "upscale_video", "long_text_to_audio"}
MADE = {name: tool for name, tool in SHORT_TOOLS.items() if name not in JOBS}


def test_no_text_of_the_face_speaks_of_a_disk() -> None:
    for tool in make_face(minimax_server.toolbox).tools:
        shown = {
            "description": tool.description,
            "arguments": tool.parameters,
            "results": tool.fn_metadata.output_schema,
        }
        assert not NOT_ON_DISK.findall(json.dumps(shown)), tool.name


async def test_prompts_and_resources_do_not_either(replica: Replica) -> None:
    async with connect(replica, ALICE) as client:
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        shown = [each.model_dump_json() for each in [*prompts, *resources]]
        assert not [text for text in shown if NOT_ON_DISK.search(text)]
        assert not NOT_ON_DISK.search(str(client.instructions))


def test_the_face_has_every_tool_of_one_person_and_one_for_uploads() -> None:
    own = {tool.name for tool in minimax_server.toolbox.tools}
    assert {tool.name for tool in make_face(minimax_server.toolbox).tools} == own | {
        "create_upload"
    }


def test_words_that_have_changed_are_an_error_and_no_leak() -> None:
    assert rephrase("saved  on\nthis computer.", ("on this computer", "here")) == "saved  here."
    with pytest.raises(LookupError, match="does not say"):
        rephrase("saved elsewhere", ("on this computer", "here"))


def links_in(result: dict[str, Any]) -> list[str]:
    return re.findall(r"https://memory\.invalid/([^?\"]+)", json.dumps(result))


def prepare(tool: PaidTool, deployment: Deployment) -> dict[str, Any]:
    """The arguments of a call; a recording is an upload of Alice's."""
    arguments = dict(tool.arguments)
    if "audio" in arguments:
        upload = "0" * 32
        obstore.put(deployment.store._store, f"alice/uploads/{upload}", samples.wav())
        arguments["audio"] = f"upload-{upload}"
    return arguments


@pytest.mark.parametrize("tool", MADE.values(), ids=MADE)
async def test_what_a_paid_tool_made_is_in_the_store_and_handed_over_by_any_replica(
    tool: PaidTool, deployment: Deployment
) -> None:
    first, second = [await deployment.start_replica() for _ in range(2)]
    arguments = prepare(tool, deployment)
    made = await call(first, ALICE, tool.name, **arguments)
    again = await call(second, ALICE, tool.name, **arguments)
    names = links_in(made)
    assert names or tool.name == "transcribe_audio"  # whose result is a text
    assert links_in(again) == names
    assert deployment.sandbox.count_charges(tool.charge) == 1
    for name in names:
        assert name.startswith("alice/")
        assert obstore.head(deployment.store._store, name)["size"] > 100
    everything = json.dumps([made, again])
    assert str(deployment.settings.scratch) not in everything
    left = [path for path in deployment.settings.base.base_path.rglob("*") if path.is_file()]
    assert left == []


async def test_a_video_is_a_link_that_is_made_again_at_every_answer(
    deployment: Deployment, replica: Replica
) -> None:
    video = await call(replica, ALICE, "generate_video", prompt="a dog")
    status = await call(replica, ALICE, "query_video_generation", task_id=video["task_id"])
    assert "path" not in status
    fetched = await call(replica, ALICE, "retrieve_video_file", file_id=status["file_id"])
    [name] = links_in(fetched)
    assert name == f"alice/video-{status['file_id']}.mp4"
    [listed] = (await call(replica, ALICE, "list_video_tasks"))["tasks"]
    assert links_in(listed) == [name]
    asked = await call(replica, ALICE, "query_video_generation", task_id=video["task_id"])
    assert links_in(asked) == [name]
    assert "link" in asked["next_step"]
    downloads = count_downloads(deployment.sandbox)
    await call(replica, ALICE, "retrieve_video_file", file_id=status["file_id"])
    assert count_downloads(deployment.sandbox) == downloads


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "~/recording.wav", "file:///etc/passwd", "recording.wav", "C:\\x.wav"]
)
async def test_no_path_of_the_servers_disk_is_read(path: str, replica: Replica) -> None:
    for name, arguments in (
        ("voice_clone", {"audio": path}),
        ("generate_video", {"prompt": "x", "first_frame": path}),
        ("text_to_image", {"prompt": "x", "subject_image": path}),
        ("generate_video", {"prompt": "x", "references": [path], "model": "MiniMax-H3"}),
    ):
        text = await failure(replica, ALICE, name, **arguments)
        assert "give an https URL, a data: URI, or an upload_id" in text


async def test_an_upload_is_its_makers_alone_and_asked_for_until_it_is_there(
    deployment: Deployment, replica: Replica
) -> None:
    slot = await call(replica, ALICE, "create_upload")
    assert slot["put_url"].startswith("https://memory.invalid/alice/uploads/")
    arguments = {"audio": slot["upload_id"]}
    text = await failure(replica, ALICE, "voice_clone", **arguments)
    assert "Nothing was sent to this upload_id yet" in text
    name = f"alice/uploads/{slot['upload_id'].removeprefix('upload-')}"
    obstore.put(deployment.store._store, name, samples.wav())
    text = await failure(replica, DAVE, "voice_clone", **arguments)
    assert "Nothing was sent to this upload_id yet" in text
    voice = await call(replica, ALICE, "voice_clone", **arguments)
    assert voice["status"] == "cloned"
    other = await failure(replica, DAVE, "voice_clone", audio=voice["file_id"])
    assert "There is no file" in other


async def test_a_result_can_be_given_to_another_tool_as_it_was_told(
    deployment: Deployment, replica: Replica
) -> None:
    images = await call(replica, ALICE, "text_to_image", prompt="a lake", aspect_ratio="16:9")
    [link] = images["image_urls"]
    await call(replica, ALICE, "generate_video", prompt="it moves", first_frame=link)
    again = await call(replica, ALICE, "text_to_image", prompt="a lake", aspect_ratio="16:9")
    assert not again["reused"]  # the first was used, so another one is wanted


async def test_an_output_directory_is_no_argument(replica: Replica) -> None:
    text = await failure(replica, ALICE, "text_to_image", prompt="x", output_directory="/tmp")
    assert "no argument 'output_directory'" in text


async def test_what_the_store_does_not_take_is_said_and_still_a_result(
    deployment: Deployment, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError("bucket gone")

    monkeypatch.setattr(obstore, "put", refuse)
    made = await call(replica, ALICE, "text_to_image", prompt="a lake")
    assert made["image_urls"]
    assert "The server's object store did not take the file" in made["next_step"]
    assert "bucket gone" not in json.dumps(made)


async def test_an_upload_that_is_replaced_is_used_as_it_is_now(
    deployment: Deployment, replica: Replica
) -> None:
    upload = put_upload(deployment, "alice", b"A short text.")
    name = f"alice/uploads/{upload.removeprefix('upload-')}"
    ask = {"text_file": upload, "dry_run": True}
    short = await call(replica, ALICE, "long_text_to_audio", **ask)
    put_object(deployment, name, b"A much longer text. " * 20)
    long = await call(replica, ALICE, "long_text_to_audio", **ask)
    assert long["characters"] > short["characters"]


async def test_uploads_of_an_account_have_a_limit_and_leave_nothing_half_fetched(
    deployment: Deployment, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "MOST_INPUT_BYTES", 1000)
    folder = Path(deployment.settings.base.input_paths[0]) / "alice"
    for _ in range(5):
        upload = put_upload(deployment, "alice", b"A text. " * 60)
        await call(replica, ALICE, "long_text_to_audio", text_file=upload, dry_run=True)
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 1000

    async def fill(store: ObjectStore, name: str, file: Path, **options: Any) -> bool:
        file.write_bytes(b"half")
        raise StorageError("The disk is full.")

    monkeypatch.setattr(ObjectStore, "fetch", fill)
    before = set(folder.iterdir())
    upload = put_upload(deployment, "alice", b"Another text.")
    await failure(replica, ALICE, "long_text_to_audio", text_file=upload, dry_run=True)
    assert set(folder.iterdir()) <= before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("generate_video", {"prompt": "x", "first_frame": "961854975430012"}),
        ("text_to_image", {"prompt": "x", "subject_image": "961854975430012"}),
        ("transcribe_audio", {"audio": "961854975430012"}),
        ("delete_voice", {"voice_id": "a\0b", "voice_type": "voice_cloning"}),
        ("text_to_audio", {"text": "x", "model": "speech\0"}),
        ("generate_video", {"prompt": "x", "first_frame": "https://memory.invalid/alice/../bob/x"}),
        ("generate_video", {"prompt": "x", "first_frame": "https://memory.invalid/alice/a%00b"}),
    ],
)
async def test_odd_arguments_are_refused_without_a_path_of_the_server(
    tool: str, arguments: dict[str, Any], replica: Replica
) -> None:
    text = await failure(replica, ALICE, tool, **arguments)
    assert "error in this server" not in text
    assert "folder" not in text
    assert "MINIMAX_" not in text


async def test_a_full_disk_is_told_without_a_path_of_the_server(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: Any, **options: Any) -> None:
        raise outputs.WriteError("Saving in /srv/scratch failed: the disk is full.")

    monkeypatch.setattr(outputs, "save", fail)
    made = await call(replica, ALICE, "text_to_image", prompt="a lake")
    assert "its disk is full or cannot be written" in made["next_step"]
    assert "/srv" not in json.dumps(made)


async def test_old_uploads_leave_the_replica(deployment: Deployment, replica: Replica) -> None:
    folder = Path(deployment.settings.base.input_paths[0]) / "alice"
    folder.mkdir(parents=True)
    old = folder / "old"
    old.write_bytes(b"x")
    os.utime(old, (1, 1))
    upload = "1" * 32
    obstore.put(deployment.store._store, f"alice/uploads/{upload}", samples.wav())
    await call(replica, ALICE, "voice_clone", audio=f"upload-{upload}")
    assert not old.exists()
