"""Print which clients make a video with this server, and in which versions."""

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import minimax
from tests.clients.journeys import CLIENTS, Client
from tests.clients.packages import Unavailable

AT_ONCE = 3


def row(client: Client) -> tuple[str, str, str, str]:
    """The client's name and version, the protocol, and how its journey ended."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        try:
            went = client.travel(Path(home).resolve())
        except Unavailable as reason:
            return client.name, "-", "-", f"not tried: {reason}"
        except Exception as error:
            return client.name, "-", "-", f"FAILED: {error}"
        video = Path(went.path)
        ended = (
            f"{video.name}, {video.stat().st_size} bytes" if video.is_file() else "FAILED: no file"
        )
        return client.name, went.version, went.protocol, ended


def lines() -> Iterator[str]:
    yield f"| client | version | protocol | minimax-server {minimax.__version__} ends in |"
    yield "|---|---|---|---|"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for columns in pool.map(row, CLIENTS):
            yield f"| {' | '.join(columns)} |"


def main() -> int:
    failed = False
    for line in lines():
        failed = failed or "FAILED" in line
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
