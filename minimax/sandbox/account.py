"""The sandbox's MiniMax account: its files, voices, videos and bill."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from minimax.sandbox.billing import Bill
from minimax.sandbox.bounded import RecentList
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import Files
from minimax.sandbox.endpoints.images import ImageGeneration
from minimax.sandbox.endpoints.long_speech import LongSpeeches
from minimax.sandbox.endpoints.speech_to_text import SpeechToText
from minimax.sandbox.endpoints.text_to_audio import TextToAudio
from minimax.sandbox.endpoints.video_shared import VideoBackend
from minimax.sandbox.endpoints.video_v1 import VideosV1
from minimax.sandbox.endpoints.video_v2 import VideosV2
from minimax.sandbox.endpoints.voice_clone import VoiceCloning
from minimax.sandbox.endpoints.voice_design import VoiceDesign
from minimax.sandbox.endpoints.voices import Voices
from minimax.sandbox.faults import Faults
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media import samples
from minimax.sandbox.scenarios import VideoStages
from minimax.sandbox.signed_links import ObjectStore

KEPT_BODIES: Final = 1000
"""Of the newest requests, so that a long-running sandbox does not leak memory."""
LINK_SECONDS: Final = 3600.0  # MiniMax API: the download_url of a v1 video is valid for 1 hour


@dataclass
class RecordedRequest:
    """One request as it was received.

    Attributes:
        method: Of HTTP.
        path: Without the query.
        headers: Their names are in lower case.
        trace_id: Of its answer.
        json: The body, if it is a JSON object of up to 64 KiB. None for everything else, for a
            request that a fault ended before its body was read, and for all but the newest 1000.
    """

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    trace_id: str
    json: dict[str, Any] | None = field(default=None, repr=False)


class Sandbox:
    """A simulated MiniMax account in this process.

    Args:
        keys: The valid API keys; None accepts any key.
        clock: The clock by which jobs finish, links expire and voices are deleted.
        stages: How long a job stays in each state.
        video_bytes: Pad the sample video to this size; it still plays.
        bytes_per_second: Throttle request and response bodies; None does not throttle.
        link_seconds: How long a signed download link is valid.
        unverified: Refuse voice cloning (2038), as MiniMax does for an unverified account.
        allow_listed: Regenerate videos by `source_task_id`, which MiniMax opens to some accounts.
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
        allow_listed: bool = True,
    ) -> None:
        self.url = ""
        """The base URL at which `serve` serves the sandbox."""
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
        self.text_to_audio = TextToAudio(voices=self.voices, bill=self.bill, store=self.store)
        self.long_speeches = LongSpeeches(
            clock=self.clock,
            ids=ids,
            bill=self.bill,
            files=self.files,
            store=self.store,
            voices=self.voices,
            stages=stages or VideoStages(),
        )
        self.voice_cloning = VoiceCloning(
            files=self.files,
            voices=self.voices,
            text_to_audio=self.text_to_audio,
            unverified=unverified,
        )
        self.voice_design = VoiceDesign(voices=self.voices, bill=self.bill, ids=ids)
        self.images = ImageGeneration(bill=self.bill, store=self.store)
        self.speech_to_text = SpeechToText(bill=self.bill)
        backend = VideoBackend(
            clock=self.clock,
            ids=ids,
            bill=self.bill,
            files=self.files,
            store=self.store,
            stages=stages or VideoStages(),
            video=samples.load_video(size_bytes=video_bytes),
            h3_video=samples.load_video(samples.H3_VIDEO, size_bytes=video_bytes),
            allow_listed=allow_listed,
        )
        self.videos = VideosV1(backend)
        self.videos_v2 = VideosV2(backend)

    def record(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[bytes, bytes]],
        trace_id: str,
    ) -> RecordedRequest:
        """Record a request, including one that is refused or faulted."""
        decoded = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        recorded = RecordedRequest(method, path, decoded, trace_id)
        self.requests.append(recorded)
        if len(self.requests) > KEPT_BODIES:
            self.requests[-KEPT_BODIES - 1].json = None
        self.counts[f"{method} {path}"] += 1
        return recorded

    def count(self, request: str) -> int:
        """Return how often a request such as `"POST /v1/voice_clone"` arrived, faulted or not."""
        return self.counts[request]

    def count_charges(self, what: str) -> int:
        """Return how often `what` was charged: one of `billing.KINDS`.

        Raises:
            ValueError: It is something else.
        """
        return self.bill.count_charges(what)
