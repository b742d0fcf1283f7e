"""Puts `minimax_server` into wheels as a package.

Type checkers look for `py.typed` in packages only, so the module alone would count as untyped. An
editable installation goes on reading `minimax_server.py` itself.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelLayout(BuildHookInterface):  # type: ignore[type-arg]
    """Maps the server's file to a package of one module."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is built."""
        if version == "standard":
            build_data["force_include"] |= {
                "minimax_server.py": "minimax_server/__init__.py",
                "packaging/py.typed": "minimax_server/py.typed",
            }
