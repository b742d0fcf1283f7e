"""What judging a hostile file costs: `uv run python -m tests.scripts.hostile_files`."""

import base64
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from minimax.errors import InputError
from minimax.files import inputs, probe
from minimax.files.source import DataUri, LocalFile, Source
from tests.support.hostile_files import HOSTILE_FILES, HostileFile, tiny_boxes

Judge = Callable[[], str]


def judge(source: Source, hostile: HostileFile) -> str:
    """What the door says to a file."""
    try:
        inputs.open_input(source, field="file", requirements=hostile.requirements).close()
    except InputError:
        return "refused"
    return "accepted"


def judge_video(path: Path) -> str:
    """What is said to a download."""
    with path.open("rb") as file:
        whole = probe.is_complete_mp4(file, size=path.stat().st_size)
    return "accepted" if whole else "refused"


def cpu_seconds(work: Judge) -> float:
    """Processor time of this process, all of its threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_mib(work: Judge) -> float:
    """The most memory that was in use at once, beyond what was before."""
    tracemalloc.start()
    work()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak_bytes / 2**20


def print_row(name: str, work: Judge) -> None:
    """One line of the table."""
    verdict, seconds, mib = work(), cpu_seconds(work), peak_mib(work)
    print(f"{name:40} {verdict:8} {seconds:8.3f} s {mib:8.1f} MiB")


def print_rows(hostile: HostileFile, path: Path) -> None:
    """A hostile file as a local file, and as a data: URI."""
    data = hostile.make()
    path.write_bytes(data)
    print_row(hostile.name, lambda: judge(LocalFile(path), hostile))
    uri = DataUri("data:;base64," + base64.b64encode(data).decode())
    print_row(f"{hostile.name} (data:)", lambda: judge(uri, hostile))


def main() -> None:
    """Judge each file twice, and print what that costs."""
    print(f"{'file':40} {'verdict':8} {'CPU':>10} {'memory':>12}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "hostile"
        for hostile in HOSTILE_FILES:
            print_rows(hostile, path)
        path.write_bytes(tiny_boxes())
        print_row("mp4-tiny-boxes (download)", lambda: judge_video(path))


if __name__ == "__main__":
    main()
