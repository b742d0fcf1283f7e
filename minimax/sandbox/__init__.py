"""A MiniMax that runs on this machine: the API, its states, its faults, its sample media.

    sandbox = Sandbox()
    async with serve(sandbox) as base_url:
        ...  # any MiniMax client, pointed at base_url
    assert sandbox.billed("video") == 1

Nothing is ever sent out and nothing costs anything. What a job's prompt can make happen stands in
`stages`, what can go wrong on the way in `Fault`.
"""

from minimax.sandbox.bill import Charge
from minimax.sandbox.clock import Clock
from minimax.sandbox.faults import Fault
from minimax.sandbox.service import Sandbox, Seen
from minimax.sandbox.serving import run, serve
from minimax.sandbox.stages import VideoStages

__all__ = ["Charge", "Clock", "Fault", "Sandbox", "Seen", "VideoStages", "run", "serve"]
