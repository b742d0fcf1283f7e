"""Faults: what goes wrong between a client and MiniMax, on demand and a stated number of times."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong on every request whose path starts with `path`.

    What the client gets is at most one of:

    * an answer of the fault's own: `status` with `body` and `headers`, or `code` with `message`
      as the refusal of that path's generation (a `base_resp` in HTTP 200, or the v2 error shape);
    * `reset` (TCP RST), `close` (the connection closed without an answer) or `hang` (nothing);
    * otherwise the sandbox's real answer.

    An answer may come late (`delay_seconds`), slowly (`bytes_per_second`), or be cut short
    (`cut_after_bytes`), with its length announced or ended by the closing of the connection.

    `when="before"`: the request is read but not handled, so nothing is accepted or billed.
    `when="after"`: it is handled, accepted and billed; only the answer suffers. Where the real
    answer is kept, `when` says on which side of the handling the delay falls.

    `times=None` means for ever. The first fault added that matches is the one that is met.
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
        for broken, complaint in self._rules():
            if broken:
                raise ValueError(complaint)

    @property
    def answers(self) -> bool:
        """Whether the fault brings an answer of its own."""
        return self.status is not None or self.code is not None

    @property
    def silent(self) -> bool:
        """Whether the client gets no answer at all."""
        return self.reset or self.close or self.hang

    @property
    def replaces_answer(self) -> bool:
        """Whether the sandbox's real answer never reaches the client."""
        return self.answers or self.silent

    def matches(self, method: str, path: str) -> bool:
        """Whether a request of this method and path meets the fault."""
        return path.startswith(self.path) and self.method in {None, method}

    def _rules(self) -> list[tuple[bool, str]]:
        outcomes = [self.status is not None, self.code is not None]
        outcomes += [self.reset, self.close, self.hang]
        cut = self.cut_after_bytes is not None
        shaped = cut or self.bytes_per_second is not None
        return [
            (self.when not in {"before", "after"}, "when is before or after"),
            (sum(outcomes) > 1, "one of status, code, reset, close and hang, not several"),
            (bool(self.body) and self.status is None, "a body needs a status"),
            (bool(self.headers) and not self.answers, "headers need a status or a code"),
            (bool(self.message) and self.code is None, "a message needs a code"),
            (shaped and self.silent, "an answer that never comes is neither cut nor slow"),
            (not self.announce_length and not cut, "announce_length says how an answer is cut"),
            (
                cut and self.when == "before" and not self.answers,
                "a cut needs an answer: status, code, or when='after' for the real one",
            ),
        ]


class Faults:
    """The faults that are due, in the order in which they were added."""

    def __init__(self) -> None:
        self._due: list[tuple[Fault, int | None]] = []

    def __len__(self) -> int:
        return len(self._due)

    def add(self, *faults: Fault) -> None:
        """Let these happen after the ones already due."""
        self._due += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._due.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted as met."""
        for position, (fault, times) in enumerate(self._due):
            if fault.matches(method, path):
                self._count_down(position, times)
                return fault
        return None

    def _count_down(self, position: int, times: int | None) -> None:
        fault, _ = self._due[position]
        if times is None:
            return
        if times > 1:
            self._due[position] = (fault, times - 1)
        else:
            del self._due[position]
