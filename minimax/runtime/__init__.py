"""What the calls of one server share, and work that outlives a call."""

from minimax.runtime.background import is_unattended
from minimax.runtime.per_loop import (
    Backend,
    Call,
    Runtime,
    Surroundings,
    answer_call,
    current,
    current_call,
    current_purchase,
    host_runtime,
    leave,
    mark_sending,
    run_with,
    swap,
    use,
    use_surroundings,
)

__all__ = [
    "Backend",
    "Call",
    "Runtime",
    "Surroundings",
    "answer_call",
    "current",
    "current_call",
    "current_purchase",
    "host_runtime",
    "is_unattended",
    "leave",
    "mark_sending",
    "run_with",
    "swap",
    "use",
    "use_surroundings",
]
