"""A replica over HTTP: who may call, what is answered to load balancers, how it ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from minimax.errors import SettingsError
from minimax.sandbox import Fault
from minimax.team import server
from minimax.team.accounts import Accounts
from minimax.team.bodies import MOST_VALUES
from minimax.team.database import Database
from tests.conftest import KEY
from tests.spending.test_consent import GO_ON, STOP, Person
from tests.support import samples
from tests.support.paid_jobs import SUBMIT, wait_until
from tests.team.deployment import (
    ALICE,
    BOB,
    CAROL,
    CAROLS_KEY,
    DAVE,
    Deployment,
    Replica,
    call,
    call_raw,
    connect,
    digest,
    failure,
    put_upload,
)
from tests.team.issuer import KEY as KEY_OF_ISSUER
from tests.team.issuer import Issuer, serve

pytestmark = pytest.mark.anyio

VIDEO = {"prompt": "a dog runs along the beach"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "host", "version": "0"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def post(replica: Replica, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.post(replica.mcp_url, json=INITIALIZE, headers={**ACCEPT, **headers})


async def get(replica: Replica, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.get(replica.url + path)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- who may call ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer("somebody-else"), 401),
        (bearer(digest(ALICE)), 401),
        ({"Authorization": "Basic YWxpY2U6eA=="}, 401),
        (bearer(ALICE), 200),
        (bearer(ALICE) | {"Host": "evil.example"}, 421),
        (bearer(ALICE) | {"Origin": "https://evil.example"}, 403),
        (bearer(ALICE) | {"Origin": "http://localhost:5173"}, 200),
    ],
    ids=["no-token", "unknown", "digest-as-token", "basic", "good", "host", "origin", "own-origin"],
)
async def test_only_who_shows_a_listed_token_at_the_right_host_is_answered(
    headers: dict[str, str], status: int, replica: Replica
) -> None:
    answer = await post(replica, **headers)
    assert answer.status_code == status
    assert "mcp-session-id" not in answer.headers


AUDIENCE = "https://minimax.example/mcp"
GOOD = {"iss": "https://issuer.example", "aud": AUDIENCE, "sub": "alice"}
JWTS: dict[str, tuple[dict[str, Any], int]] = {
    "good": ({}, 200),
    "issuer": ({"iss": "https://other.example"}, 401),
    "audience": ({"aud": "https://other.example/mcp"}, 401),
    "expired": ({"exp": 1}, 401),
    "no-subject": ({"sub": None}, 401),
    "no-expiry": ({"exp": None}, 401),
}


@pytest.fixture
async def issued(deployment: Deployment) -> AsyncIterator[tuple[Any, Replica]]:
    with serve(Issuer()) as issuer:
        replica = await deployment.start_replica(
            issuer="https://issuer.example", public_url=AUDIENCE, jwks_url=issuer.url
        )
        yield KEY_OF_ISSUER, replica


def sign(key: Any, claims: dict[str, Any], **options: Any) -> str:
    whole = {**GOOD, "exp": int(time.time()) + 300, **claims}
    kept = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(kept, key, **{"algorithm": "RS256", "headers": {"kid": "1"}, **options})


@pytest.mark.parametrize("subject", ["", " ", "\ud800"], ids=["empty", "blank", "surrogate"])
async def test_a_subject_that_names_nobody_is_no_account(
    subject: str, issued: tuple[Any, Replica]
) -> None:
    key, replica = issued
    assert (await post(replica, **bearer(sign(key, {"sub": subject})))).status_code == 401


async def test_a_signed_token_is_taken_where_issuer_audience_expiry_and_subject_are_right(
    issued: tuple[Any, Replica],
) -> None:
    key, replica = issued
    for name, (claims, status) in JWTS.items():
        answer = await post(replica, **bearer(sign(key, claims)))
        assert answer.status_code == status, name
    forged = sign(rsa.generate_private_key(public_exponent=65537, key_size=2048), {})
    assert (await post(replica, **bearer(forged))).status_code == 401
    unsigned = sign("", {}, algorithm="none")
    assert (await post(replica, **bearer(unsigned))).status_code == 401


async def test_a_client_learns_from_a_refusal_where_tokens_are_made(
    issued: tuple[Any, Replica],
) -> None:
    _, replica = issued
    refused = await post(replica)
    assert refused.status_code == 401
    path = "/.well-known/oauth-protected-resource/mcp"
    assert f"https://minimax.example{path}" in refused.headers["www-authenticate"]
    metadata = (await get(replica, path)).json()
    assert metadata["resource"] == AUDIENCE
    assert metadata["authorization_servers"] == ["https://issuer.example"]


# --- accounts ----------------------------------------------------------------------------------


async def test_nobody_sees_what_another_account_has(
    replica: Replica, deployment: Deployment
) -> None:
    video = await call(replica, ALICE, "generate_video", **VIDEO)
    status = await call(replica, ALICE, "query_video_generation", task_id=video["task_id"])
    for name, arguments in (
        ("query_video_generation", {"task_id": video["task_id"]}),
        ("retrieve_video_file", {"file_id": status["file_id"]}),
        ("cancel_video_generation", {"task_id": video["task_id"]}),
    ):
        text = await failure(replica, BOB, name, **arguments)
        assert "There is no" in text or "neither" in text, text
        assert "alice" not in text
    assert (await call(replica, BOB, "list_video_tasks"))["tasks"] == []
    assert (await call(replica, BOB, "list_video_tasks", remote=True))["tasks"] == []
    assert (await call(replica, BOB, "account_status"))["spent_24_hours_usd"] == {}
    assert (await call(replica, BOB, "generate_video", **VIDEO))["task_id"] != video["task_id"]
    async with connect(replica, BOB) as client:
        listed = await client.read_resource("minimax://tasks")
        assert video["task_id"] not in str(listed)
        with pytest.raises(Exception, match="not bought by this account"):
            await client.read_resource(f"minimax://tasks/{video['task_id']}")


async def test_voices_on_a_shared_key_are_their_makers_alone(
    replica: Replica, deployment: Deployment
) -> None:
    made = await call(
        replica, ALICE, "voice_design", prompt="calm and deep", preview_text="Good day."
    )
    voice_id = made["voice_id"]
    text = await failure(replica, DAVE, "text_to_audio", text="Hello there", voice_id=voice_id)
    assert "no voice" in text
    text = await failure(
        replica, DAVE, "delete_voice", voice_id=voice_id, voice_type="voice_generation"
    )
    assert "no voice" in text
    text = await failure(
        replica, DAVE, "voice_design", prompt="x", preview_text="x", voice_id=voice_id
    )
    assert "is taken" in text
    await call(replica, ALICE, "text_to_audio", text="Hello there", voice_id=voice_id)
    own = await call(replica, ALICE, "list_voices", voice_type="voice_generation")
    assert [voice["voice_id"] for voice in own["designed"]] == [voice_id]
    others = await call(replica, DAVE, "list_voices", voice_type="voice_generation")
    assert others["designed"] == []


async def test_a_refused_clone_does_not_claim_a_voice_that_was_made_elsewhere(
    replica: Replica, deployment: Deployment
) -> None:
    voice_id = "CompanyBrandVoice"
    bobs = put_upload(deployment, "bob", samples.wav())
    deployment.sandbox.faults.add(Fault("/v1/voice_clone", code=2039, times=1))
    await failure(replica, BOB, "voice_clone", audio=bobs, voice_id=voice_id)
    text = await failure(
        replica, BOB, "delete_voice", voice_id=voice_id, voice_type="voice_cloning"
    )
    assert "no voice" in text
    alices = put_upload(deployment, "alice", samples.wav())
    await call(replica, ALICE, "voice_clone", audio=alices, voice_id=voice_id)
    text = await failure(replica, BOB, "voice_clone", audio=bobs, voice_id=voice_id)
    assert "is taken" in text
    deployment.sandbox.faults.add(Fault("/v1/voice_clone", code=2039, times=1))
    await failure(
        replica, ALICE, "voice_clone", audio=alices, voice_id=voice_id, noise_reduction=True
    )  # a refusal of her own takes nothing from her
    await call(replica, ALICE, "delete_voice", voice_id=voice_id, voice_type="voice_cloning")


async def test_each_account_buys_with_its_own_key_and_within_its_own_limit(
    replica: Replica, deployment: Deployment
) -> None:
    await call(replica, CAROL, "generate_video", **VIDEO)
    used = {
        seen.headers["authorization"] for seen in deployment.sandbox.requests if seen.path == SUBMIT
    }
    assert used == {f"Bearer {CAROLS_KEY}"}
    for number in range(3):
        await call(replica, BOB, "generate_video", prompt=f"{number}")
    text = await failure(replica, BOB, "generate_video", prompt="one too many")
    assert "daily limit of $1.00" in text
    assert "Only whoever runs this server can raise the limit" in text
    assert "MINIMAX_" not in text
    await call(replica, ALICE, "generate_video", prompt="bob's limit is not alice's")


async def test_all_who_use_the_shared_key_have_a_limit_together(deployment: Deployment) -> None:
    replica = await deployment.start_replica(shared_limit_usd=0.5)
    await call(replica, ALICE, "generate_video", **VIDEO)
    text = await failure(replica, BOB, "generate_video", **VIDEO)
    assert "all who use this server's shared key" in text
    await call(replica, CAROL, "generate_video", **VIDEO)  # with a key of her own


@pytest.mark.parametrize(
    ("entry", "shared", "match"),
    [
        ({"account": "alice"}, False, "names no key_env"),
        ({"account": "alice", "key_env": "MISSING"}, True, "variable is not set"),
        ({"account": "../alice"}, True, "account's name"),
        ({"name": "alice"}, True, "cannot be read"),
        ({"account": "alice", "daily_limit_usd": -1}, True, "cannot be read"),
    ],
    ids=["no-key", "missing-key", "name", "no-account", "limit"],
)
def test_a_list_of_accounts_that_cannot_be_used_is_refused_at_the_start(
    entry: dict[str, Any], shared: bool, match: str, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({digest(ALICE): entry}), encoding="utf-8")
    with pytest.raises(SettingsError, match=match):
        Accounts(file, shared_key=SecretStr("k") if shared else None, environ={})


@pytest.mark.parametrize(
    ("keys", "shared"),
    [
        ({"alice": "A", "bob": "B"}, "k"),
        ({"alice": "SHARED", "bob": None}, "k"),
    ],
    ids=["of each other", "the shared one"],
)
def test_accounts_that_nothing_would_keep_apart_are_refused_at_the_start(
    keys: dict[str, str | None], shared: str, tmp_path: Path
) -> None:
    entries = {digest(name): {"account": name, "key_env": key} for name, key in keys.items()}
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(SettingsError, match="nothing would keep them apart"):
        Accounts(
            file, shared_key=SecretStr(shared), environ={"A": "same", "B": " same", "SHARED": "k"}
        )


def test_several_tokens_of_one_account_have_its_key(tmp_path: Path) -> None:
    entry = {"account": "alice", "key_env": "A"}
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({digest("1"): entry, digest("2"): entry}), encoding="utf-8")
    accounts = Accounts(file, shared_key=SecretStr("k"), environ={"A": "same"})
    assert accounts.member("alice").key == SecretStr("same")


@pytest.mark.parametrize("name", ["token-of-alice", "f" * 63])
def test_a_list_that_holds_tokens_themselves_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({name: {"account": "alice"}}), encoding="utf-8")
    with pytest.raises(SettingsError, match="sha256sum"):
        Accounts(file, shared_key=SecretStr("k"))


# --- operating it ------------------------------------------------------------------------------


async def test_a_replica_says_whether_it_lives_and_is_ready(replica: Replica) -> None:
    assert (await get(replica, "/healthz")).json() == {"alive": True}
    ready = await get(replica, "/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reason": None})
    replica.gate.is_draining = True
    draining = await get(replica, "/readyz")
    assert (draining.status_code, draining.json()["reason"]) == (503, "draining")
    assert (await get(replica, "/healthz")).status_code == 200


async def test_streams_that_nobody_writes_to_are_not_opened(replica: Replica) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(replica.mcp_url, headers={**ACCEPT, **bearer(ALICE)})
        unknown = await http.get(replica.mcp_url, headers=ACCEPT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert unknown.status_code == 401
    assert "www-authenticate" in unknown.headers


async def test_a_request_of_very_many_values_is_refused_before_anything_is_made_of_it(
    replica: Replica,
) -> None:
    many = {**INITIALIZE, "method": "tools/list", "params": {"_meta": {"a": [{}] * MOST_VALUES}}}
    async with httpx2.AsyncClient() as http:
        headers = {**ACCEPT, **bearer(ALICE)}
        answer = await http.post(replica.mcp_url, json=many, headers=headers)
        assert answer.status_code == 413
        unknown = await http.post(replica.mcp_url, json=many, headers=ACCEPT)
        assert unknown.status_code == 401
    assert (await post(replica, **bearer(ALICE))).status_code == 200


async def test_a_replica_whose_database_hangs_is_not_ready(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*arguments: Any, **options: Any) -> None:
        while not released.is_set():  # as psycopg, which waits on although it is cancelled
            with suppress(asyncio.CancelledError):
                await released.wait()

    released = asyncio.Event()
    monkeypatch.setattr(Database, "run_statement", hang)
    monkeypatch.setattr(server, "CHECK_SECONDS", 0.1)
    try:
        async with asyncio.timeout(5):
            ready = await get(replica, "/readyz")
    finally:
        released.set()
    assert (ready.status_code, ready.json()["reason"]) == (503, "the database does not answer")


async def test_a_replica_without_its_database_is_not_ready_and_sends_nothing(
    deployment: Deployment, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minimax.team import database

    monkeypatch.setattr(database, "TRIES", 1)
    team = replica.gate.team
    assert team is not None
    await team.database.pool.close()
    assert (await get(replica, "/readyz")).status_code == 503
    text = await failure(replica, ALICE, "generate_video", **VIDEO)
    assert "sent nothing and cost nothing" in text
    assert deployment.sandbox.count(f"POST {SUBMIT}") == 0


async def test_a_draining_replica_answers_paid_calls_in_flight_before_it_ends(
    deployment: Deployment, replica: Replica
) -> None:
    deployment.sandbox.faults.add(Fault(SUBMIT, when="after", delay_seconds=0.3, times=5))
    calls = [
        asyncio.create_task(call(replica, ALICE, "generate_video", prompt=f"{number}"))
        for number in range(5)
    ]
    await wait_until(lambda: deployment.sandbox.count(f"POST {SUBMIT}") == 5)
    draining = asyncio.create_task(replica.gate.drain(pause_seconds=0, longest_seconds=20))
    await asyncio.sleep(0)
    assert (await get(replica, "/readyz")).status_code == 503
    answers = await asyncio.gather(*calls)
    await draining
    assert len({answer["task_id"] for answer in answers}) == 5


async def test_both_eras_are_served_at_one_address_without_sessions(replica: Replica) -> None:
    for mode in ("legacy", "2026-07-28"):
        async with connect(replica, ALICE, mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert "create_upload" in {tool.name for tool in tools}


async def test_a_price_is_put_before_the_person_whatever_replica_hears_the_answer(
    deployment: Deployment,
) -> None:
    base = replace(deployment.settings.base, ask_above_usd=0.1)
    replica = await deployment.start_replica(base=base)
    person = Person(GO_ON)
    async with connect(replica, ALICE, mode="2026-07-28", elicitation_callback=person) as client:
        result = await client.call_tool("generate_video", VIDEO)
    assert not result.is_error
    [question] = person.questions
    assert "$0.28" in question
    person = Person(STOP)
    async with connect(replica, DAVE, mode="2026-07-28", elicitation_callback=person) as client:
        result = await client.call_tool("generate_video", VIDEO)
    assert result.is_error
    assert deployment.sandbox.count_charges("video") == 1


async def test_a_doubled_call_and_its_repetition_at_another_replica_buy_one_video(
    deployment: Deployment,
) -> None:
    replicas = [await deployment.start_replica() for _ in range(2)]
    deployment.sandbox.faults.add(Fault(SUBMIT, when="after", delay_seconds=0.2))
    doubled = await asyncio.gather(
        *(call(each, ALICE, "generate_video", **VIDEO) for each in [*replicas, *replicas])
    )
    again = await call(replicas[1], ALICE, "generate_video", **VIDEO)
    assert len({answer["task_id"] for answer in [*doubled, again]}) == 1
    assert again["reused"]
    assert deployment.sandbox.count_charges("video") == 1
    await call(replicas[0], ALICE, "query_video_generation", task_id=again["task_id"])
    wanted = await call(replicas[1], ALICE, "generate_video", **VIDEO)
    assert wanted["task_id"] != again["task_id"]  # asked about, so the next one is wanted


async def test_no_key_and_no_token_reaches_a_log_or_an_answer(
    replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    result = await call_raw(replica, CAROL, "generate_video", **VIDEO)
    await post(replica, **bearer("wrong-token-0123456789"))
    said = caplog.text + result.model_dump_json()
    for secret in (KEY, CAROLS_KEY, CAROL, "wrong-token-0123456789"):
        assert secret not in said


async def test_an_account_without_a_key_is_told_so(deployment: Deployment) -> None:
    alone = replace(deployment.settings.base, api_key=None)
    accounts = Accounts(None, shared_key=None)
    with pytest.raises(SettingsError, match="no MiniMax key"):
        accounts.member("sub-1")
    assert alone.api_key is None
