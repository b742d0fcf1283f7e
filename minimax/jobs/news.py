"""What became of jobs, for code that wants to be notified."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minimax.runtime import Runtime
from minimax.tool_results import JobStatus

__all__ = ["JobEvent", "JobNews", "Listener"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobEvent:
    """Something changed.

    Attributes:
        task_id: The job.
        status: Its new status.
        path: Where its file was saved, if that is the news.
    """

    task_id: str
    status: JobStatus
    path: Path | None = None


Listener = Callable[[JobEvent], object]


class JobNews:
    """Tells listeners of every change once; one of them that fails harms nobody."""

    def __init__(self, runtime: Runtime) -> None:  # noqa: ARG002 - made by `Runtime.get_shared`
        self._listeners: list[Listener] = []
        self._statuses: dict[str, JobStatus] = {}

    def listen(self, listener: Listener) -> None:
        """Tell this listener from now on; it must not block."""
        self._listeners.append(listener)

    def note_status(self, task_id: str, status: JobStatus) -> None:
        """A job has this status now, perhaps as before."""
        if self._statuses.get(task_id) != status:
            self._statuses[task_id] = status
            self._tell(JobEvent(task_id, status))

    def note_saved(self, task_id: str, path: Path) -> None:
        """The file of a job was saved."""
        self._tell(JobEvent(task_id, "completed", path))

    def _tell(self, event: JobEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed")
