"""Refuses a request of very many small values before anything is made of it."""

from contextlib import suppress
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_VALUES", "limit_values"]

MOST_VALUES: Final = 200_000
"""Brackets, braces and commas in the body of one request: in a body of 40 MB there may be millions
of empty objects, of which Python makes a gigabyte. A text of a million characters has 30,000."""
_BEGINNINGS: Final = (b"{", b"[", b",")


class _TooManyValuesError(Exception):
    """The body is not read to its end."""


def limit_values(app: ASGIApp) -> ASGIApp:
    """The application, with such requests answered by 413."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        count = _Counter(receive, send)
        with suppress(_TooManyValuesError):
            await app(scope, count.receive, count.send)
        if count.is_too_much and not count.has_begun:
            answer = PlainTextResponse("This request holds too many values.", status_code=413)
            await answer(scope, receive, send)

    return limited


class _Counter:
    """The values of one request so far; the application's answer to too many is replaced."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.is_too_much = False
        self.has_begun = False
        self._receive, self._send = receive, send
        self._values = 0

    async def receive(self) -> Message:
        message = await self._receive()
        body = message.get("body", b"")
        self._values += sum(map(body.count, _BEGINNINGS))
        if self._values > MOST_VALUES:
            self.is_too_much = True
            raise _TooManyValuesError
        return message

    async def send(self, message: Message) -> None:
        if self.is_too_much and not self.has_begun:
            return
        self.has_begun = True
        await self._send(message)
