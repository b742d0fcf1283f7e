"""What the calls of one server share, and work that outlives a call."""

from minimax.runtime.per_loop import Backend, Runtime, answer_call, current, host_runtime, use

__all__ = ["Backend", "Runtime", "answer_call", "current", "host_runtime", "use"]
