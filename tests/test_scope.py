"""Settings given in code: several accounts in one event loop, each with its own key and ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from minimax import runtime
from minimax.errors import MiniMaxError, Outcome, RefusedError, SettingsError, SpendingLimitError
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.scope import GivenSettings
from minimax.testing import IsolatedSandbox
from minimax_server import (
    MiniMax,
    account_status,
    generate_video,
    list_video_tasks,
    list_voices,
    query_video_generation,
    retrieve_video_file,
    text_to_audio,
    voice_clone,
)
from tests.support.paid_jobs import wait_until

pytestmark = pytest.mark.anyio

ANNA, BEN = "sk-api-anna-0123456789", "sk-api-ben-0123456789"
OF_ENVIRONMENT = "sk-api-environment-01234"
AT_ONCE = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=0)


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    made = Sandbox(keys={ANNA, BEN, OF_ENVIRONMENT}, stages=AT_ONCE)
    monkeypatch.setattr("minimax.settings.read_env_file", lambda *_: {})
    async with serve(made) as url:
        monkeypatch.setenv("MINIMAX_API_HOST", url)
        monkeypatch.setenv("MINIMAX_API_KEY", OF_ENVIRONMENT)
        yield made


def keys_used(sandbox: Sandbox) -> list[str]:
    """Of all requests but downloads, which carry none."""
    return [
        request.headers["authorization"].removeprefix("Bearer ")
        for request in sandbox.requests
        if "authorization" in request.headers
    ]


# --- whose key ---------------------------------------------------------------------------------


async def test_the_tools_use_the_key_of_the_block_that_they_are_called_in(sandbox: Sandbox) -> None:
    await list_voices()
    async with MiniMax(api_key=ANNA):
        await list_voices()
        async with MiniMax(api_key=SecretStr(BEN)):
            await list_voices()
        await list_voices()
    await list_voices()
    assert keys_used(sandbox) == [OF_ENVIRONMENT, ANNA, BEN, ANNA, OF_ENVIRONMENT]


async def test_accounts_side_by_side_never_use_each_others_key(sandbox: Sandbox) -> None:
    accounts = {key: MiniMax(api_key=key, auto_save=False) for key in (ANNA, BEN)}

    async def request(key: str, number: int) -> str:
        async with accounts[key]:
            await asyncio.sleep(0)
            video = await generate_video(f"{key} {number}")
            status = await query_video_generation(str(video["task_id"]))
            return str(status["file_id"])

    async with AsyncExitStack() as stack:
        for account in accounts.values():
            await stack.enter_async_context(account)
        calls = [request(key, number) for number in range(5) for key in accounts]
        files = await asyncio.gather(*calls)
        assert len(set(files)) == 10
        for key, account in accounts.items():
            async with account:
                listed = (await list_video_tasks())["tasks"]
                assert {str(task["prompt"]).split()[0] for task in listed} == {key}
                assert len(listed) == 5
    assert {key: keys_used(sandbox).count(key) for key in accounts} == {ANNA: 10, BEN: 10}


async def test_tasks_that_are_started_in_a_block_belong_to_its_account(sandbox: Sandbox) -> None:
    async with MiniMax(api_key=ANNA):
        inside = asyncio.create_task(list_voices())
        await inside
    assert keys_used(sandbox) == [ANNA]


async def test_a_thread_with_an_event_loop_of_its_own_belongs_to_the_block_that_started_it(
    sandbox: Sandbox,
) -> None:
    def speak(text: str) -> bool:
        return asyncio.run(text_to_audio(text))["reused"]

    async with MiniMax(api_key=ANNA):
        await list_voices()
        texts = ["One sentence.", "One sentence.", "Another sentence."]
        reused = [await asyncio.to_thread(speak, text) for text in texts]
        await asyncio.gather(*(asyncio.to_thread(speak, f"At once {n}.") for n in range(3)))
        await list_voices()
    assert reused == [False, False, False]  # each answer arrived, so each call is a new purchase
    assert sandbox.count_charges("speech") == 6
    assert set(keys_used(sandbox)) == {ANNA}


async def test_a_thread_may_use_a_block_before_the_loop_that_opened_it(sandbox: Sandbox) -> None:
    async with MiniMax(api_key=ANNA):
        await asyncio.to_thread(lambda: asyncio.run(list_voices()))
        await list_voices()
    assert keys_used(sandbox) == [ANNA, ANNA]


async def test_a_call_outside_of_every_block_is_refused_where_the_environment_has_no_key(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor does not take the block along, unlike `asyncio.to_thread`."""
    monkeypatch.delenv("MINIMAX_API_KEY")
    loop = asyncio.get_running_loop()
    async with MiniMax(api_key=ANNA):
        with pytest.raises(SettingsError, match="no MiniMax API key"):
            await loop.run_in_executor(None, lambda: asyncio.run(text_to_audio("Hello.")))
        assert keys_used(sandbox) == []
        await asyncio.to_thread(lambda: asyncio.run(list_voices()))
    with pytest.raises(SettingsError, match="no MiniMax API key"):
        await text_to_audio("Hello.")
    assert keys_used(sandbox) == [ANNA]


async def test_blocks_may_be_left_in_any_order(sandbox: Sandbox) -> None:
    anna, ben = MiniMax(api_key=ANNA), MiniMax(api_key=BEN)
    await anna.__aenter__()
    await ben.__aenter__()
    await anna.__aexit__(None, None, None)
    await list_voices()
    await ben.__aexit__(None, None, None)
    await list_voices()
    assert keys_used(sandbox) == [BEN, OF_ENVIRONMENT]


async def test_a_task_that_outlives_its_block_buys_nothing(sandbox: Sandbox) -> None:
    ended = asyncio.Event()

    async def speak() -> None:
        await ended.wait()
        await text_to_audio("Too late.")

    async with MiniMax(api_key=ANNA):
        task = asyncio.create_task(speak())
    ended.set()
    with pytest.raises(SettingsError, match=r"has ended\. Nothing was sent") as caught:
        await task
    assert caught.value.outcome is Outcome.NOT_SENT
    assert keys_used(sandbox) == []


async def test_a_block_that_was_not_entered_cannot_be_left() -> None:
    with pytest.raises(RuntimeError, match="was not entered"):
        await MiniMax(api_key=ANNA).__aexit__(None, None, None)


@pytest.mark.parametrize("empty", ["", " ", None], ids=["no text", "a blank", "None"])
async def test_an_empty_key_is_refused_instead_of_using_that_of_the_environment(empty: Any) -> None:
    with pytest.raises(SettingsError, match=r"^api_key is empty"):
        MiniMax(api_key=empty)


async def test_an_empty_account_is_refused_instead_of_going_by_the_key() -> None:
    with pytest.raises(SettingsError, match=r"^account is empty"):
        MiniMax(api_key=ANNA, account="")


async def test_a_switch_takes_no_text_since_every_text_is_true() -> None:
    off: Any = "off"
    with pytest.raises(TypeError, match="True or False"):
        MiniMax(auto_save=off)


async def test_one_folder_needs_no_list(sandbox: Sandbox, home: Path) -> None:
    async with MiniMax(api_key=ANNA, input_paths=str(home)):
        assert home.resolve() in (await runtime.current()).settings.input_paths


async def test_a_wrong_value_is_named_as_it_was_given(sandbox: Sandbox) -> None:
    async with MiniMax(api_key="paste your key here"):
        with pytest.raises(SettingsError, match=r"^api_key is still the placeholder"):
            await list_voices()


async def test_an_unknown_setting_is_a_type_error_that_names_the_known_ones() -> None:
    unknown: Any = {"key": ANNA}
    with pytest.raises(TypeError, match=r"takes no 'key'\. It takes: api_key, "):
        MiniMax(**unknown)


# --- what is given beats the environment -------------------------------------------------------

HERE, THERE, ELSEWHERE = (Path(name).resolve() for name in ("/here", "/there", "/elsewhere"))
"""On Windows, an absolute folder has a drive."""
GIVEN: dict[str, tuple[str, Any, Any]] = {
    "api_host": ("https://api.minimax.io", "http://127.0.0.1:1", "http://127.0.0.1:1"),
    "base_path": (str(ELSEWHERE), HERE, HERE),
    "input_paths": (str(ELSEWHERE), [str(HERE), str(THERE)], None),
    "resource_mode": ("local", "url", "url"),
    "video_model": ("MiniMax-Hailuo-02", "MiniMax-H3", "MiniMax-H3"),
    "auto_save": ("on", False, False),
    "daily_limit_usd": ("7", None, None),
}
VARIABLES = {
    "api_host": "MINIMAX_API_HOST",
    "base_path": "MINIMAX_MCP_BASE_PATH",
    "input_paths": "MINIMAX_MCP_INPUT_PATHS",
    "resource_mode": "MINIMAX_API_RESOURCE_MODE",
    "video_model": "MINIMAX_VIDEO_MODEL",
    "auto_save": "MINIMAX_MCP_AUTO_SAVE",
    "daily_limit_usd": "MINIMAX_MCP_DAILY_LIMIT_USD",
}


@pytest.mark.parametrize("name", GIVEN)
async def test_what_is_given_in_code_beats_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment, given, wanted = GIVEN[name]
    monkeypatch.setenv(VARIABLES[name], in_environment)
    if name == "input_paths":
        wanted = tuple(Path(folder).resolve() for folder in given)
    several: Any = {name: given}
    async with MiniMax(**several):
        assert getattr((await runtime.current()).settings, name) == wanted


def test_every_setting_that_can_be_given_is_tried_here() -> None:
    assert set(GivenSettings.__annotations__) == {*GIVEN, "api_key", "state_dir"}


async def test_what_is_not_given_comes_from_the_environment(sandbox: Sandbox) -> None:
    async with MiniMax(resource_mode="url"):
        video = await generate_video("a dog")
        status = await query_video_generation(str(video["task_id"]))
        fetched = await retrieve_video_file(str(status["file_id"]))
    assert fetched["path"] is None
    assert set(keys_used(sandbox)) == {OF_ENVIRONMENT}


# --- the ledger --------------------------------------------------------------------------------


async def test_one_account_gets_nothing_that_another_one_bought(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("/v1/t2a_v2", when="after", reset=True))
    sandbox.faults.add(Fault("/v1/video_generation", when="after", reset=True))
    async with MiniMax(api_key=ANNA):
        results = await asyncio.gather(
            text_to_audio("Good day " * 120), generate_video("a dog"), return_exceptions=True
        )
        assert all(isinstance(result, Exception) for result in results)
    async with MiniMax(api_key=BEN):
        assert not (await generate_video("a dog"))["reused"]
        assert not (await text_to_audio("Good day " * 120))["reused"]
        assert [task["status"] for task in (await list_video_tasks())["tasks"]] == ["queued"]
    assert sandbox.count_charges("video") == 2


async def test_each_account_has_the_daily_limit_for_itself(sandbox: Sandbox) -> None:
    for key in (ANNA, BEN):
        async with MiniMax(api_key=key, daily_limit_usd=0.50):
            await generate_video("a dog")
            left_usd = (await account_status())["left_of_limit_usd"]
            assert left_usd == pytest.approx(0.50 - 0.28)


async def test_objects_of_one_account_share_its_ledger_also_after_the_key_was_replaced(
    sandbox: Sandbox, home: Path
) -> None:
    folder = home / "ledgers"
    async with MiniMax(api_key=ANNA, account="anna", state_dir=folder):
        await generate_video("a dog")
    async with (
        MiniMax(api_key=BEN, account="anna", state_dir=folder),
        MiniMax(api_key=BEN, account="anna", state_dir=folder),
    ):
        assert len((await list_video_tasks())["tasks"]) == 1
    async with MiniMax(api_key=BEN, state_dir=folder):
        assert (await list_video_tasks())["tasks"] == []


# --- opening and closing -----------------------------------------------------------------------


async def test_connections_stay_open_until_the_last_block_is_left(sandbox: Sandbox) -> None:
    anna = MiniMax(api_key=ANNA)
    async with anna:
        outer = await runtime.current()
        async with anna:
            await list_voices()
            assert await runtime.current() is outer
        await list_voices()
        assert await runtime.current() is outer
    async with anna:
        await list_voices()
        assert await runtime.current() is not outer
    assert len(keys_used(sandbox)) == 3


async def test_a_video_is_saved_by_itself_while_the_object_is_open(
    sandbox: Sandbox, home: Path
) -> None:
    anna = MiniMax(api_key=ANNA, base_path=home / "anna")
    async with anna:
        async with anna:
            await generate_video("a dog")
        await wait_until(lambda: list((home / "anna").glob("video-*.mp4")))


async def test_an_error_leaves_the_block_and_is_not_swallowed(sandbox: Sandbox) -> None:
    with pytest.raises(RefusedError):
        async with MiniMax(api_key=ANNA):
            await query_video_generation("4711")
    await list_voices()
    assert keys_used(sandbox)[-1] == OF_ENVIRONMENT


def test_one_object_serves_one_event_loop_after_another() -> None:
    async def ask(account: MiniMax) -> int:
        async with account:
            return (await list_voices())["total"]

    with IsolatedSandbox() as sandbox:
        anna = MiniMax(api_key=ANNA)
        found = [asyncio.run(ask(anna)) for _ in range(3)]
        assert found[0] == found[1] == found[2] > 0
        assert keys_used(sandbox) == [ANNA] * 3


# --- what errors say ---------------------------------------------------------------------------


async def refuse_key(sandbox: Sandbox, _: Path) -> None:
    sandbox.faults.add(Fault("/v1/", code=1004, times=5))
    await list_voices()


async def read_elsewhere(_: Sandbox, __: Path) -> None:
    await voice_clone(str(Path(__file__)))


async def save_elsewhere(_: Sandbox, home: Path) -> None:
    await text_to_audio("Hello.", output_directory=str(home.parent / "elsewhere"))


async def spend_too_much(_: Sandbox, __: Path) -> None:
    await generate_video("a dog")


GIVEN_NAMES = pytest.mark.parametrize(
    ("given", "variable", "call", "said"),
    [
        ("api_key", "MINIMAX_API_KEY", refuse_key, "Check api_key: the whole key"),
        ("input_paths", "MINIMAX_MCP_INPUT_PATHS", read_elsewhere, "set with input_paths)"),
        ("base_path", "MINIMAX_MCP_BASE_PATH", save_elsewhere, "(set with base_path)"),
        (
            "daily_limit_usd",
            "MINIMAX_MCP_DAILY_LIMIT_USD",
            spend_too_much,
            "The limit is set with daily_limit_usd of MiniMax().",
        ),
    ],
    ids=["api_key", "input_paths", "base_path", "daily_limit_usd"],
)


@GIVEN_NAMES
async def test_an_error_names_a_setting_as_it_was_given(
    given: str,
    variable: str,
    call: Callable[[Sandbox, Path], Awaitable[None]],
    said: str,
    sandbox: Sandbox,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values: dict[str, Any] = {
        "api_key": ANNA,
        "input_paths": [home],
        "base_path": home / "anna",
        "daily_limit_usd": 0.1,
    }
    of_environment = {"api_key": OF_ENVIRONMENT, "input_paths": str(home), "daily_limit_usd": "0.1"}
    monkeypatch.setenv(variable, of_environment.get(given, str(home / "anna")))
    with pytest.raises(MiniMaxError) as plain:
        await call(sandbox, home)
    sandbox.faults.clear()
    async with MiniMax(**{given: values[given]}):
        with pytest.raises(MiniMaxError) as caught:
            await call(sandbox, home)
    assert variable in plain.value.text
    assert said in caught.value.text
    assert variable not in str(caught.value)
    assert str(caught.value).startswith(caught.value.text)
    assert type(caught.value) is type(plain.value)
    assert caught.value.outcome is plain.value.outcome
    assert caught.value.code == plain.value.code
    assert (caught.value.trace_id is None) == (plain.value.trace_id is None)
    assert str(caught.value).endswith(f"Trace-Id {caught.value.trace_id})") == (given == "api_key")


async def test_an_error_names_what_was_not_given_as_the_environment_does(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("/v1/", code=1004, times=5))
    async with MiniMax(daily_limit_usd=1):
        with pytest.raises(MiniMaxError, match="Check MINIMAX_API_KEY"):
            await list_voices()


async def test_an_error_after_the_block_names_the_variables_again(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("/v1/", code=1004, times=99))
    async with MiniMax(api_key=ANNA):
        with pytest.raises(MiniMaxError, match="Check api_key"):
            await list_voices()
    with pytest.raises(MiniMaxError, match="Check MINIMAX_API_KEY"):
        await list_voices()


async def test_a_limit_of_nothing_says_where_it_was_given(sandbox: Sandbox) -> None:
    async with MiniMax(daily_limit_usd=0):
        with pytest.raises(SpendingLimitError) as caught:
            await generate_video("a dog")
    assert caught.value.text == (
        "Nothing was sent: daily_limit_usd is 0, so nothing may be bought. The limit is set with "
        "daily_limit_usd of MiniMax()."
    )


async def test_a_limit_that_cannot_be_one_says_what_code_can_give(sandbox: Sandbox) -> None:
    async with MiniMax(daily_limit_usd=-3):
        with pytest.raises(SettingsError, match=r"^daily_limit_usd must .* 20, 0, or None\."):
            await list_voices()
