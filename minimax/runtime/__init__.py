"""What the calls of one server share, and work that outlives a call."""

from minimax.runtime.per_loop import (
    Backend,
    Call,
    Runtime,
    answer_call,
    current,
    current_call,
    host_runtime,
    run_with,
    use,
)

__all__ = [
    "Backend",
    "Call",
    "Runtime",
    "answer_call",
    "current",
    "current_call",
    "host_runtime",
    "run_with",
    "use",
]
