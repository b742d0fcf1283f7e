"""Units that MiniMax's limits are counted in."""

MB = 1024 * 1024  # bytes
DAY_SECONDS = 24 * 60 * 60
