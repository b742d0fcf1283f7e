"""What one process of a team shares, and the runtime of each account in it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from minimax.api.transport import ConnectionPools
from minimax.clock import Clock
from minimax.files.own_addresses import is_public_elsewhere
from minimax.ledger.base import Ledger
from minimax.ledger.deliveries import Deliveries
from minimax.runtime import Runtime
from minimax.settings import GLOBAL_HOST, Settings, is_loopback
from minimax.team.accounts import Accounts, Member
from minimax.team.callbacks import SignedCallbacks
from minimax.team.database import Database, check_version, open_database
from minimax.team.guard import Belongings, Callbacks, TeamClient
from minimax.team.ledger import Account, PostgresLedger
from minimax.team.pace import Pace
from minimax.team.queue import JobQueue
from minimax.team.results import StoredResults
from minimax.team.sender import Sender
from minimax.team.settings import TeamSettings
from minimax.team.store import ObjectStore
from minimax.team.telemetry import Telemetry

__all__ = ["AccountRuntime", "Team", "open_team"]

LAST_WORK_SECONDS: Final = 75.0
"""A paid request takes 70 seconds at most; the end of a process waits for it."""


class NetworkDeliveries(Deliveries):
    """Over a network only the use of an answer tells that it has arrived."""

    async def answer(self, call: object, key: str) -> None:
        """It stays open until it is used."""

    def note_request(self, call: object = None) -> None:
        """Another request of the same caller may come while an answer is lost."""

    def note_cancellation(self, call: object) -> None:
        """Nothing has been counted that would have to be taken back."""

    async def note_use(self, value: str) -> None:
        """An answer of any replica may have held it."""
        await self._ledger().receive_by_use(value)


class AccountRuntime(Runtime):
    """What the calls of one account share in this process."""

    def __init__(self, team: "Team", member: Member, *, follows: bool) -> None:
        super().__init__(lambda: self._settings_of_account, clock=team.clock)
        self.member = member
        self._team = team
        self._settings_of_account = _settings_of(team.settings, member)
        self._team_ledger = team.open_ledger(member, follows=follows)
        self.store = team.store
        self._stored = StoredResults(
            team.store, account=member.name, scratch=team.settings.base.base_path
        )

    @property
    def account(self) -> str:
        """The name: a key that is changed meanwhile buys nothing again."""
        return self.member.name

    @property
    def ledger(self) -> Ledger:
        """The account's purchases."""
        return self._team_ledger

    @property
    def results(self) -> StoredResults:
        """The account's objects."""
        return self._stored

    @property
    def deliveries(self) -> Deliveries:
        """What the account has shown to have arrived."""
        if self._deliveries is None:
            self._deliveries = NetworkDeliveries(lambda: self.ledger)
        return self._deliveries

    async def _open_client(self, settings: Settings) -> TeamClient:
        return self._team.open_client(settings, self.member)


def _settings_of(settings: TeamSettings, member: Member) -> Settings:
    base = settings.base
    limit = base.daily_limit_usd if member.daily_limit_usd is None else member.daily_limit_usd
    return replace(base, api_key=member.key or base.api_key, daily_limit_usd=limit, team=True)


class Team:
    """One process, be it a replica or a worker.

    Attributes:
        settings: Of the deployment.
        accounts: Who may call.
        database: Where everything is written down.
        sender: This process.
        store: Where results go.
        queue: Jobs for workers.
        callbacks: Where MiniMax may call.
        telemetry: What is measured.
    """

    def __init__(
        self,
        settings: TeamSettings,
        accounts: Accounts,
        database: Database,
        *,
        store: ObjectStore,
        queue: JobQueue,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.telemetry = telemetry or Telemetry()
        self.settings = settings
        self.accounts = accounts
        self.database = database
        self.sender = Sender(database)
        self.store = store
        self.queue = queue
        self.clock = clock or Clock()
        self.callbacks: SignedCallbacks | None = None
        if settings.callback_url is not None:
            self.callbacks = SignedCallbacks(
                settings.callback_url, settings.secret.get_secret_value(), database
            )
        host = settings.base.api_host or GLOBAL_HOST
        self._pools = ConnectionPools(trust_env=not is_loopback(urlsplit(host).hostname))
        self._runtimes: dict[tuple[Member, bool], AccountRuntime] = {}

    def runtime_of(self, member: Member, *, follows: bool = False) -> AccountRuntime:
        """The runtime of an account, made at its first call."""
        key = (member, follows)
        if key not in self._runtimes:
            self._runtimes[key] = AccountRuntime(self, member, follows=follows)
        return self._runtimes[key]

    def open_ledger(self, member: Member, *, follows: bool) -> PostgresLedger:
        """The ledger of an account."""
        shares_key = member.key is None
        limit_usd = self.settings.shared_limit_usd if shares_key else None
        account = Account(name=member.name, shares_key=shares_key, shared_limit_usd=limit_usd)
        return PostgresLedger(
            self.database,
            self.sender,
            account,
            on_accepted=self.queue.put,
            follows=follows,
            telemetry=self.telemetry,
        )

    def open_client(self, settings: Settings, member: Member) -> TeamClient:
        """MiniMax as an account sees it."""
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        pace = Pace(
            self.database,
            hashlib.sha256(key.encode()).hexdigest(),
            requests_a_minute=self.settings.requests_a_minute,
            in_flight=self.settings.in_flight,
        )
        shares_key = member.key is None
        return TeamClient(
            settings,
            clock=self.clock,
            is_public=is_public_elsewhere,
            pools=self._pools,
            pace=pace,
            callbacks=self.callbacks or Callbacks(),
            tracer=self.telemetry.tracer,
            belongings=Belongings(self.database, member.name) if shares_key else None,
        )

    @property
    def unfinished_work(self) -> list["asyncio.Task[Any]"]:
        """What goes on for the callers of all accounts, some of whom are gone."""
        return [task for each in self._runtimes.values() for task in each.background.tasks]

    @property
    def paid_work(self) -> Sequence["asyncio.Task[Any]"]:
        """What is being bought at the moment."""
        return [task for each in self._runtimes.values() for task in each.background.paid_tasks]

    async def finish_paid_work(self) -> None:
        """Wait for what is being bought, as long as it may take."""
        if self.paid_work:
            await asyncio.wait(self.paid_work, timeout=LAST_WORK_SECONDS)

    async def aclose(self) -> None:
        """End what is under way, and leave the rest to the others."""
        await asyncio.gather(*(each.aclose() for each in self._runtimes.values()))
        await self._pools.aclose()


@asynccontextmanager
async def open_team(
    settings: TeamSettings, accounts: Accounts, *, store: ObjectStore | None = None
) -> AsyncIterator[Team]:
    """One process of a deployment, from its first connection to the last.

    Raises:
        SettingsError: The tables have to be made first.
        UnreachableError: There is no database.
    """
    url = settings.database_url.get_secret_value()
    kept = store or ObjectStore(
        settings.store_url,
        endpoint=settings.store_endpoint,
        secret=settings.secret.get_secret_value(),
    )
    async with open_database(url, pool_size=settings.pool_size) as database:
        await check_version(database)
        async with JobQueue(url).open() as queue:
            team = Team(settings, accounts, database, store=kept, queue=queue)
            beating = asyncio.create_task(team.sender.beat_forever())
            try:
                yield team
            finally:
                await team.aclose()
                beating.cancel()
                await asyncio.wait({beating})
                await team.sender.unregister()
