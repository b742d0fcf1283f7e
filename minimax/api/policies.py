"""How each endpoint is retried: outcomes that allow it, attempts, deadlines."""

from dataclasses import dataclass, replace
from typing import Final

from minimax.errors import Outcome

__all__ = [
    "CANCEL",
    "CLONE",
    "CLONE_WITH_PREVIEW",
    "DELETE",
    "DELETE_FILE",
    "DOWNLOAD",
    "DOWNLOAD_LONG_SPEECH",
    "LOOK_UP",
    "MAKE",
    "REGENERATE",
    "STATUS",
    "STATUS_V2",
    "SUBMIT",
    "TRANSCRIBE",
    "UPLOAD",
    "Policy",
]

_SAFE: Final = frozenset({Outcome.NOT_SENT, Outcome.THROTTLED})
_ALL: Final = _SAFE | {Outcome.UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How one endpoint is retried.

    Attributes:
        name: The endpoint as `error_codes.ENDPOINT_CODES` knows it.
        retries_on: Outcomes after which the same request may be sent again.
        attempts: Requests in all, the first one included.
        deadline_seconds: Around all attempts and the waits between them.
        read_seconds: Longest silence of the server within one attempt.
        longest_wait_seconds: A longer Retry-After is told to the caller instead of being waited
            for.
    """

    name: str
    retries_on: frozenset[Outcome]
    attempts: int
    deadline_seconds: float
    read_seconds: float
    longest_wait_seconds: float = 60.0


# A duplicate upload is an orphaned file, a duplicate question costs nothing.
UPLOAD: Final = Policy(
    name="upload", retries_on=_ALL, attempts=3, deadline_seconds=180, read_seconds=60
)
STATUS: Final = Policy(
    name="status", retries_on=_ALL, attempts=4, deadline_seconds=30, read_seconds=15
)
STATUS_V2: Final = replace(STATUS, name="status_v2")
LOOK_UP: Final = Policy(
    name="look_up", retries_on=_ALL, attempts=4, deadline_seconds=30, read_seconds=15
)
# The voice_id is the natural idempotency key: a second clone of it is refused (2039).
CLONE: Final = Policy(
    name="voice_clone", retries_on=_ALL, attempts=3, deadline_seconds=120, read_seconds=90
)
# The preview's synthesis is billed.
CLONE_WITH_PREVIEW: Final = Policy(
    name="voice_clone", retries_on=_SAFE, attempts=2, deadline_seconds=120, read_seconds=90
)
# A repeated submission can buy a second video.
SUBMIT: Final = Policy(
    name="submit", retries_on=_SAFE, attempts=3, deadline_seconds=60, read_seconds=60
)
REGENERATE: Final = replace(SUBMIT, name="regenerate")
# Synthesis, designs and images are billed when they are made.
MAKE: Final = Policy(
    name="make", retries_on=_SAFE, attempts=3, deadline_seconds=120, read_seconds=110
)
# 500 seconds of sound, the most that is taken, in up to 50 MB.
TRANSCRIBE: Final = Policy(
    name="transcribe", retries_on=_SAFE, attempts=3, deadline_seconds=300, read_seconds=240
)
# On a job that has ended meanwhile, the same request erases a paid video: it is sent once.
CANCEL: Final = Policy(
    name="cancel", retries_on=frozenset(), attempts=1, deadline_seconds=30, read_seconds=25
)
# Deleting twice is deleting once, but the second answer is "no such voice".
DELETE: Final = Policy(
    name="delete", retries_on=_SAFE, attempts=3, deadline_seconds=60, read_seconds=30
)
# The caller waits for it while a voice is ready; "no such file" after a doubt means "deleted".
DELETE_FILE: Final = Policy(
    name="delete_file", retries_on=_ALL, attempts=3, deadline_seconds=15, read_seconds=10
)
DOWNLOAD: Final = Policy(
    name="download", retries_on=_ALL, attempts=3, deadline_seconds=600, read_seconds=30
)
# A million characters are some 18 hours of sound, a gigabyte as mp3.
DOWNLOAD_LONG_SPEECH: Final = replace(DOWNLOAD, deadline_seconds=7200)
