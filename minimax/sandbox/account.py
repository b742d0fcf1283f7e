"""The sandbox's MiniMax account: its files, voices, videos and its bill."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from minimax.sandbox.billing import Bill
from minimax.sandbox.bounded import RecentList
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import Files
from minimax.sandbox.endpoints.images import Images
from minimax.sandbox.endpoints.text_to_audio import Speech
from minimax.sandbox.endpoints.video_shared import Studio
from minimax.sandbox.endpoints.video_v1 import Videos
from minimax.sandbox.endpoints.video_v2 import VideosV2
from minimax.sandbox.endpoints.voice_clone import Cloning
from minimax.sandbox.endpoints.voice_design import Designing
from minimax.sandbox.endpoints.voices import Voices
from minimax.sandbox.faults import Faults
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media import samples
from minimax.sandbox.scenarios import VideoStages
from minimax.sandbox.signed_links import ObjectStore

LINK_SECONDS: Final = 3600.0  # minimax-api: the download_url of a v1 video lives 1 hour


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    trace_id: str


class Sandbox:
    """One MiniMax account that lives in this process.

    Args:
        keys: The good API keys; None takes any.
        clock: The time by which jobs finish, links expire and voices are deleted.
        stages: How long a video job stays in each state.
        video_bytes: Pads the film that is served to this size; it still plays.
        bytes_per_second: Slows request and answer bodies down; None is as fast as it goes.
        link_seconds: Life of a signed download link.
        unverified: The account may not clone voices (2038).
    """

    def __init__(
        self,
        *,
        keys: Collection[str] | None = None,
        clock: Clock | None = None,
        stages: VideoStages | None = None,
        video_bytes: int | None = None,
        bytes_per_second: float | None = None,
        link_seconds: float = LINK_SECONDS,
        unverified: bool = False,
    ) -> None:
        self.url = ""
        """Where `serve` made it listen last."""
        self.keys = keys
        self.clock = clock or Clock()
        self.bytes_per_second = bytes_per_second
        self.bill = Bill()
        self.faults = Faults()
        self.requests: RecentList[RecordedRequest] = RecentList()
        self.counts: Counter[str] = Counter()
        ids = IdGenerator()
        self.store = ObjectStore(clock=self.clock, link_seconds=link_seconds)
        self.files = Files(clock=self.clock, ids=ids)
        self.voices = Voices(clock=self.clock, bill=self.bill)
        self.speech = Speech(voices=self.voices, bill=self.bill, store=self.store)
        self.cloning = Cloning(
            files=self.files, voices=self.voices, speech=self.speech, unverified=unverified
        )
        self.designing = Designing(voices=self.voices, bill=self.bill, ids=ids)
        self.images = Images(bill=self.bill, store=self.store)
        studio = Studio(
            clock=self.clock,
            ids=ids,
            bill=self.bill,
            files=self.files,
            store=self.store,
            stages=stages or VideoStages(),
            film=samples.load_video(size_bytes=video_bytes),
        )
        self.videos = Videos(studio)
        self.videos_v2 = VideosV2(studio)

    def record(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[bytes, bytes]],
        trace_id: str,
    ) -> None:
        """Note a request, whatever becomes of it."""
        decoded = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        self.requests.append(RecordedRequest(method, path, decoded, trace_id))
        self.counts[f"{method} {path}"] += 1

    def count(self, request: str) -> int:
        """How often a request such as `"POST /v1/voice_clone"` arrived, faulted ones included."""
        return self.counts[request]

    def count_charges(self, what: str) -> int:
        """Return how often `what` was charged."""
        return self.bill.count_charges(what)
