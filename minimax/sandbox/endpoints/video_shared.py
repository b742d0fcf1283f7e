"""What the makers of videos share: the account, the time a job takes, and the film they deliver."""

from dataclasses import dataclass

from minimax.sandbox.billing import Bill
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import Files
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media.samples import Content
from minimax.sandbox.scenarios import VideoStages
from minimax.sandbox.signed_links import ObjectStore


@dataclass(frozen=True)
class Studio:
    """The surroundings of the video endpoints of both generations."""

    clock: Clock
    ids: IdGenerator
    bill: Bill
    files: Files
    store: ObjectStore
    stages: VideoStages
    film: Content
