"""The parts of the sandbox that both versions of the video API use."""

from dataclasses import dataclass

from minimax.sandbox.billing import Bill
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import Files
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media.samples import Content
from minimax.sandbox.scenarios import VideoStages
from minimax.sandbox.signed_links import ObjectStore


@dataclass(frozen=True)
class VideoBackend:
    """The account's shared parts, and the sample videos that jobs return.

    A finished job returns `video`, or `h3_video` where MiniMax-H3 makes one of 768P.
    """

    clock: Clock
    ids: IdGenerator
    bill: Bill
    files: Files
    store: ObjectStore
    stages: VideoStages
    video: Content
    h3_video: Content
    allow_listed: bool
