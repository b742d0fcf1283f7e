"""A MiniMax API server on this machine, with sample media and with faults on demand.

    sandbox = Sandbox()
    async with serve(sandbox) as base_url:
        ...  # use any MiniMax client with base_url
    assert sandbox.count_charges("video") == 1

Nothing is sent to MiniMax and nothing costs anything. `scenarios` lists the prompt marks that make
a job fail; `Fault` describes network and API errors.
"""

from minimax.sandbox.account import RecordedRequest, Sandbox
from minimax.sandbox.billing import Charge
from minimax.sandbox.clock import Clock
from minimax.sandbox.faults import Fault
from minimax.sandbox.http.server import run, serve
from minimax.sandbox.scenarios import VideoStages

__all__ = ["Charge", "Clock", "Fault", "RecordedRequest", "Sandbox", "VideoStages", "run", "serve"]
