"""Tests that fail under Wine and not on Windows; `docs/WINDOWS.md` tells how to run them there."""

import sys
from collections.abc import Iterable, Mapping
from typing import Final

import pytest

__all__ = ["NOT_UNDER_WINE", "is_wine", "skip_by_name"]

NO_LINKS: Final = "os.symlink() makes nothing and raises nothing"
NOT_UNDER_WINE: Final = {
    "tests/ledger/test_owners.py::"
    "test_a_process_that_lives_is_not_given_up_however_long_it_says_nothing": (
        "msvcrt.locking() fails without an errno, which is EACCES on Windows"
    ),
    "tests/player/test_saved_files.py::test_a_link_is_refused_before_anything_is_opened": (
        NO_LINKS
    ),
    "tests/test_settings.py::test_folders_may_begin_with_the_home_sign_and_are_real_paths": (
        NO_LINKS
    ),
}
"""Reasons by node id, with or without the parameters; tests/test_support.py holds the names."""


def is_wine() -> bool:
    """Whether this Python for Windows runs under Wine."""
    found = False
    if sys.platform == "win32":
        import ctypes

        found = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
    return found


def skip_by_name(items: Iterable[pytest.Item], reasons: Mapping[str, str]) -> None:
    """Skip the tests that a table names, each with its reason."""
    for item in items:
        reason = reasons.get(item.nodeid) or reasons.get(item.nodeid.partition("[")[0])
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"under Wine: {reason}"))
