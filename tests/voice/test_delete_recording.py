"""A recording is deleted at MiniMax once its voice is made, and not before that is known."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import minimax_server
from minimax.clock import Clock
from minimax.errors import MaybeChargedError, RefusedError, UnansweredError
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from tests.support import samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.paid_jobs import RECORDING, open_shop, states, wait_until
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

DELETE = "/v1/files/delete"
CLONE = "/v1/voice_clone"


@pytest.fixture
def recording(home: Path) -> Path:
    return put(home / "me.wav", samples.wav())


@pytest.fixture
def clip(home: Path) -> Path:
    return put(home / "clip.wav", samples.wav(6))


async def test_the_recording_is_gone_at_minimax_and_the_voice_speaks(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording), delete_recording=True)
        assert not sandbox.files
        await call(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
    assert voice["status"] == "cloned"
    assert voice["file_id"] is None
    assert "copy of the recording is deleted" in voice["next_step"]


async def test_the_clip_for_more_likeness_is_deleted_as_well(
    settings: Settings, sandbox: Sandbox, recording: Path, clip: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(
            client,
            "voice_clone",
            audio=str(recording),
            prompt_audio=str(clip),
            prompt_text="Hi.",
            delete_recording=True,
        )
    assert voice["file_id"] is None
    assert not sandbox.files
    assert sandbox.count("POST /v1/files/upload") == 2


@pytest.mark.parametrize("given", [{}, {"delete_recording": False}], ids=["left-out", "false"])
async def test_nothing_is_deleted_unless_it_was_asked_for(
    given: dict[str, Any], settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording), **given)
    assert int(voice["file_id"]) in sandbox.files
    assert "recording" not in voice["next_step"]
    assert not sandbox.count(f"POST {DELETE}")


async def test_an_upload_that_the_person_names_by_its_file_id_is_deleted_as_well(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        first = await call(client, "voice_clone", audio=str(recording))
        second = await call(client, "voice_clone", audio=first["file_id"], delete_recording=True)
    assert second["file_id"] is None
    assert not sandbox.files


async def test_a_recording_that_was_deleted_is_uploaded_again_for_the_next_clone(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, "voice_clone", audio=str(recording), delete_recording=True)
        await call(client, "voice_clone", audio=str(recording))
    assert sandbox.count("POST /v1/files/upload") == 2
    assert sandbox.count(f"POST {CLONE}") == 2


# --- a deletion that fails ---------------------------------------------------------------------

FAILURES = [
    pytest.param(Fault(DELETE, times=None, status=500), id="in-trouble"),
    pytest.param(Fault(DELETE, times=None, code=1002), id="too-busy"),
    pytest.param(Fault(DELETE, times=None, code=2013, message="file_id not exist"), id="unknown"),
    pytest.param(Fault(DELETE, times=None, code=1004), id="key-refused"),
    pytest.param(Fault(DELETE, times=None, reset=True), id="unanswered"),
    pytest.param(Fault(DELETE, times=None, status=200, body=b"<html>"), id="no-json"),
    pytest.param(Fault(DELETE, times=None, status=200, body=b"{}"), id="no-status"),
]


@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("preview", [None, "Good day."], ids=["plain", "with-preview"])
async def test_a_failed_deletion_leaves_the_clone_a_success_that_says_so(
    fault: Fault,
    preview: str | None,
    settings: Settings,
    sandbox: Sandbox,
    recording: Path,
    time: VirtualTime,
) -> None:
    sandbox.faults.add(fault)
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(
            str(recording), preview_text=preview, delete_recording=True
        )
    assert voice["status"] == "cloned"
    assert voice["file_id"]
    assert int(voice["file_id"]) in sandbox.files
    assert "still there" in voice["next_step"]
    assert voice["file_id"] in voice["next_step"]
    assert (voice["demo_audio_path"] is None) is (preview is None)
    assert sandbox.count_charges("speech") == (preview is not None)


async def test_where_only_the_clip_stays_the_recording_is_told_to_be_gone(
    settings: Settings, sandbox: Sandbox, recording: Path, clip: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(DELETE, when="after", times=1, status=200, body=b"no"))
    sandbox.faults.add(Fault(DELETE, code=2013, times=1))
    sandbox.faults.add(Fault(DELETE, code=1008, times=None))
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(
            str(recording), prompt_audio=str(clip), prompt_text="Hi.", delete_recording=True
        )
    [left] = sandbox.files.values()
    assert left.purpose == "prompt_audio"
    assert voice["file_id"] is None
    assert str(left.id) in voice["next_step"]


async def test_a_deletion_whose_answer_was_lost_counts_as_done(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(DELETE, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(str(recording), delete_recording=True)
    assert voice["file_id"] is None
    assert sandbox.count(f"POST {DELETE}") == 2


# --- a clone that fails, or whose outcome is not known -----------------------------------------


async def test_in_doubt_about_a_billed_preview_nothing_is_deleted(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(CLONE, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.voice_clone(
                str(recording), preview_text="Good day.", delete_recording=True
            )
    assert len(sandbox.files) == 1
    assert not sandbox.count(f"POST {DELETE}")


async def test_a_clone_without_any_answer_deletes_nothing(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(CLONE, times=None, reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(UnansweredError):
            await minimax_server.voice_clone(str(recording), delete_recording=True)
    assert not sandbox.count(f"POST {DELETE}")


async def test_where_the_callers_own_id_may_be_an_older_voice_nothing_is_deleted(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(CLONE, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match=r"or an older one.*Nothing was deleted"):
            await minimax_server.voice_clone(str(recording), "Sunny-1234", delete_recording=True)
    assert not sandbox.count(f"POST {DELETE}")


async def test_a_clone_that_is_known_by_its_id_to_have_succeeded_deletes(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(CLONE, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(str(recording), delete_recording=True)
    assert voice["file_id"] is None
    assert not sandbox.files


async def test_a_refused_clone_says_that_the_recording_stays_and_the_next_one_deletes_it(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    sandbox.faults.add(Fault(CLONE, code=2038))
    async with connected(settings, sandbox) as client:
        text = await failure(client, "voice_clone", audio=str(recording), delete_recording=True)
        [kept] = sandbox.files
        assert "Nothing was deleted" in text
        assert str(kept) in text
        assert text.count("MiniMax code 2038") == 1
        await call(client, "voice_clone", audio=str(recording), delete_recording=True)
    assert not sandbox.files
    assert sandbox.count("POST /v1/files/upload") == 1


# --- money -------------------------------------------------------------------------------------


async def test_a_billed_preview_is_in_the_ledger_before_anything_is_deleted(
    settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop, connected_to(shop.settings) as client:
        shop.hold(DELETE)
        clone = asyncio.create_task(
            call(
                client,
                "voice_clone",
                audio=f"~/{RECORDING}",
                preview_text="Good day.",
                delete_recording=True,
            )
        )
        await wait_until(lambda: shop.held)
        assert states(settings) == ["accepted"]
        shop.release()
        assert (await clone)["file_id"] is None


def connected_to(settings: Settings) -> Any:
    at: Any = type("At", (), {"url": settings.api_host})
    return connected(settings, at)


LONG_PREVIEW = "Good day. " * 60
"""Too dear to be made again by itself where an attempt ended in doubt."""


async def test_with_and_without_deletion_are_two_purchases(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    async def clone(**more: Any) -> Any:
        return await minimax_server.voice_clone(str(recording), preview_text=LONG_PREVIEW, **more)

    sandbox.faults.add(Fault(CLONE, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await clone(delete_recording=True)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await clone(delete_recording=True)
        assert (await clone())["file_id"]


async def test_a_clone_whose_upload_another_clone_deletes_meanwhile_uploads_again(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    others: list[Any] = []

    async def let_another_clone_pass(_: float) -> None:
        others.append(await minimax_server.voice_clone(str(recording), delete_recording=True))

    sandbox.faults.add(Fault(CLONE, code=1002))
    time: Any = SimpleNamespace(clock=Clock(sleep=let_another_clone_pass))
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(str(recording))
    assert [other["file_id"] for other in others] == [None]
    assert int(voice["file_id"] or 0) in sandbox.files
    assert sandbox.count("POST /v1/files/upload") == 2


async def test_two_free_clones_that_differ_in_it_do_not_join_each_other(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        kept, deleted = await asyncio.gather(
            minimax_server.voice_clone(str(recording)),
            minimax_server.voice_clone(str(recording), delete_recording=True),
        )
    assert kept["voice_id"] != deleted["voice_id"]
    assert deleted["file_id"] is None
