"""A MiniMax that runs on this machine: the API, its states, its faults, its sample media.

    sandbox = Sandbox()
    async with serve(sandbox) as base_url:
        ...  # any MiniMax client, pointed at base_url
    assert sandbox.count_charges("video") == 1

Nothing is ever sent out and nothing costs anything. What a job's prompt can make happen stands in
`stages`, what can go wrong on the way in `Fault`.
"""

from minimax.sandbox.account import RecordedRequest, Sandbox
from minimax.sandbox.billing import Charge
from minimax.sandbox.clock import Clock
from minimax.sandbox.faults import Fault
from minimax.sandbox.http.server import run, serve
from minimax.sandbox.scenarios import VideoStages

__all__ = ["Charge", "Clock", "Fault", "RecordedRequest", "Sandbox", "VideoStages", "run", "serve"]
