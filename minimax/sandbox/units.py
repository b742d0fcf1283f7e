"""Units used by MiniMax's limits."""

from typing import Final

MB: Final = 1024 * 1024  # bytes
DAY_SECONDS: Final = 24 * 60 * 60
