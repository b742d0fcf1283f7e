"""What one event loop owns, and work that outlives a call."""

from minimax.runtime.per_loop import Backend, Runtime, current, hosted

__all__ = ["Backend", "Runtime", "current", "hosted"]
