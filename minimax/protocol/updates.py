"""Notifies a host of changes, in both protocol eras.

Subscribers of a resource get `notifications/resources/updated`: since 2026-07-28 on the stream of
their `subscriptions/listen`, before that on the connection. A message (`notifications/message`)
goes out once: at once where the host has a connection to receive it, since 2026-07-28 with the
next answer to a request that wants messages.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from mcp_types import (
    LOG_LEVEL_META_KEY,
    EmptyResult,
    LoggingLevel,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

__all__ = ["Updates"]

LEVELS: Final[tuple[LoggingLevel, ...]] = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)
MESSAGE_LEVEL: Final[LoggingLevel] = "info"
MOST_SUBSCRIPTIONS: Final = 1000
MOST_MESSAGES: Final = 20
"""Kept for a host that has not asked for any yet; the oldest are dropped."""

log = logging.getLogger(__name__)


class Updates:
    """The subscriptions and messages of one server; also a middleware of it.

    Args:
        name: Who the messages are from.
    """

    def __init__(self, name: str) -> None:
        self.bus = InMemorySubscriptionBus()
        self._name = name
        self._subscribers: OrderedDict[str, ServerSession] = OrderedDict()
        self._session: ServerSession | None = None
        self._level: LoggingLevel = MESSAGE_LEVEL
        self._changed: dict[str, None] = {}
        self._messages: deque[str] = deque(maxlen=MOST_MESSAGES)
        self._sending: asyncio.Task[None] | None = None

    def add_to(self, server: MCPServer[Any]) -> None:
        """Serve the requests by which hosts of the older era subscribe."""
        # There is no public way to handle these requests with `MCPServer` (mcp 2.3).
        low = server._lowlevel_server
        low.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        low.add_request_handler(
            "resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe
        )
        low.add_request_handler("logging/setLevel", SetLevelRequestParams, self._set_level)

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Handle a request; messages that it wants go out before its answer."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            self._session = ctx.session
            return await call_next(ctx)
        result = await call_next(ctx)
        if ctx.request_id is not None and _wants_messages(ctx):
            await self._send_messages(ctx.session, related_request_id=ctx.request_id)
        return result

    def note_change(self, uri: str) -> None:
        """A resource has changed; returns at once."""
        self._changed[uri] = None
        self._begin_sending()

    def note_message(self, text: str) -> None:
        """Something that the person may want to know; returns at once."""
        self._messages.append(text)
        self._begin_sending()

    # --- requests of the older era -------------------------------------------------------------

    async def _subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        self._subscribers[params.uri] = ctx.session
        if len(self._subscribers) > MOST_SUBSCRIPTIONS:
            self._subscribers.popitem(last=False)
        return EmptyResult()

    async def _unsubscribe(
        self,
        ctx: ServerRequestContext[Any, Any],  # noqa: ARG002 - the protocol's signature
        params: UnsubscribeRequestParams,
    ) -> EmptyResult:
        self._subscribers.pop(params.uri, None)
        return EmptyResult()

    async def _set_level(
        self,
        ctx: ServerRequestContext[Any, Any],  # noqa: ARG002 - the protocol's signature
        params: SetLevelRequestParams,
    ) -> EmptyResult:
        self._level = params.level
        return EmptyResult()

    # --- sending -------------------------------------------------------------------------------

    def _begin_sending(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        """One task sends everything, so that a host that does not read holds up nothing else."""
        try:
            while self._changed:
                uri = next(iter(self._changed))
                del self._changed[uri]
                await self._send_change(uri)
            if self._session is not None:
                await self._send_messages(self._session, related_request_id=None)
        except Exception as error:  # noqa: BLE001 - the host has gone; nothing hangs on this
            log.debug("an update was not sent: %s", type(error).__name__)

    async def _send_change(self, uri: str) -> None:
        await self.bus.publish(ResourceUpdated(uri=uri))
        session = self._subscribers.get(uri)
        if session is not None:
            params = ResourceUpdatedNotificationParams(uri=uri)
            await session.send_notification(ResourceUpdatedNotification(params=params))

    async def _send_messages(
        self, session: ServerSession, *, related_request_id: int | str | None
    ) -> None:
        while self._messages:
            text = self._messages.popleft()
            if related_request_id is None and not _is_wanted(self._level):
                continue
            params = LoggingMessageNotificationParams(
                level=MESSAGE_LEVEL, logger=self._name, data=text
            )
            await session.send_notification(
                LoggingMessageNotification(params=params), related_request_id=related_request_id
            )


def _is_wanted(level: LoggingLevel) -> bool:
    return LEVELS.index(level) <= LEVELS.index(MESSAGE_LEVEL)


def _wants_messages(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether a request names a level of messages that may come with its answer."""
    level = (ctx.meta or {}).get(LOG_LEVEL_META_KEY)
    return level in LEVELS and _is_wanted(level)
