"""Faults that the sandbox injects on demand: network failures and error responses."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """A fault on requests whose path starts with `path`, and whose method is `method` if given.

    The client gets one of:

    * the fault's own response: `status` with `body` and `headers`, or `code` with `message` as an
      API error of the path's version (`base_resp` with HTTP 200 on v1, an error object on v2);
    * no response: `reset` (TCP RST), `close` (connection closed) or `hang` (nothing is sent);
    * otherwise the sandbox's real response.

    A response can be delayed (`delay_seconds`), slow (`bytes_per_second`) or truncated
    (`cut_after_bytes`). `announce_length=False` sends a truncated response without Content-Length,
    so that only the closed connection ends it.

    With `when="before"` the request is read but not handled, so nothing is accepted or billed.
    With `when="after"` it is handled, accepted and billed, and only the response is affected. If
    the client gets the real response, `when` places the delay before or after the handling.

    The fault applies to `times` requests, or to all if None. A request meets the first matching
    fault, in the order in which they were added.
    """

    path: str
    _: KW_ONLY
    method: str | None = None
    times: int | None = 1
    when: Literal["before", "after"] = "before"
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int | None = None
    message: str = ""
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    announce_length: bool = True
    reset: bool = False
    close: bool = False
    hang: bool = False
    bytes_per_second: float | None = None

    def __post_init__(self) -> None:
        for violated, message in self._list_rules():
            if violated:
                raise ValueError(message)

    @property
    def has_own_response(self) -> bool:
        """Whether the fault defines its own response."""
        return self.status is not None or self.code is not None

    @property
    def has_no_response(self) -> bool:
        """Whether the client gets no response."""
        return self.reset or self.close or self.hang

    @property
    def replaces_response(self) -> bool:
        """Whether the client does not get the real response."""
        return self.has_own_response or self.has_no_response

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to a request."""
        return path.startswith(self.path) and self.method in {None, method}

    def _list_rules(self) -> list[tuple[bool, str]]:
        outcomes = [self.status is not None, self.code is not None]
        outcomes += [self.reset, self.close, self.hang]
        is_cut = self.cut_after_bytes is not None
        shaped = is_cut or self.bytes_per_second is not None
        return [
            (self.when not in {"before", "after"}, "when is before or after"),
            (sum(outcomes) > 1, "one of status, code, reset, close and hang, not several"),
            (bool(self.body) and self.status is None, "a body needs a status"),
            (bool(self.headers) and not self.has_own_response, "headers need a status or a code"),
            (bool(self.message) and self.code is None, "a message needs a code"),
            (
                shaped and self.has_no_response,
                "an answer that never comes is neither cut nor slow",
            ),
            (
                not self.announce_length and not is_cut,
                "announce_length says how an answer is cut",
            ),
            (
                is_cut and self.when == "before" and not self.has_own_response,
                "a cut needs an answer: status, code, or when='after' for the real one",
            ),
        ]


class Faults:
    """The pending faults, in the order in which they were added."""

    def __init__(self) -> None:
        self._pending: list[tuple[Fault, int | None]] = []

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, *faults: Fault) -> None:
        """Add faults after the pending ones."""
        self._pending += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all pending faults."""
        self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that applies to a request, and count it as used."""
        for position, (fault, times) in enumerate(self._pending):
            if fault.matches(method, path):
                self._count_down(position, times)
                return fault
        return None

    def _count_down(self, position: int, times: int | None) -> None:
        fault, _ = self._pending[position]
        if times is None:
            return
        if times > 1:
            self._pending[position] = (fault, times - 1)
        else:
            del self._pending[position]
