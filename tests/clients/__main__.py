"""Print what works in which client, and in which version of it."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import minimax
from tests.clients.journeys import CLIENTS, FRAMEWORKS, Client
from tests.clients.matrix import FAILED, HEADER, row

AT_ONCE = 3


def lines(clients: Sequence[Client]) -> Iterator[str]:
    """A title and a table in Markdown, each line as soon as those before it are there."""
    yield f"minimax-server {minimax.__version__} on the sandbox"
    yield ""
    yield _line(HEADER)
    yield _line(("---",) * len(HEADER))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from map(_line, pool.map(row, clients))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(clients: Sequence[Client] = (*CLIENTS, *FRAMEWORKS)) -> int:
    """Print the table; 1 if a client fails."""
    failed = False
    for line in lines(clients):
        failed = failed or FAILED in line
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
