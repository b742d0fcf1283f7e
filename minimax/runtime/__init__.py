"""What the calls of one server share, and work that outlives a call."""

from minimax.runtime.per_loop import (
    Backend,
    Call,
    Runtime,
    answer_call,
    current,
    current_call,
    current_purchase,
    host_runtime,
    run_with,
    sending,
    use,
)

__all__ = [
    "Backend",
    "Call",
    "Runtime",
    "answer_call",
    "current",
    "current_call",
    "current_purchase",
    "host_runtime",
    "run_with",
    "sending",
    "use",
]
