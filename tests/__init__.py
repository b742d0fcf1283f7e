"""Tests; `uv run pytest` runs them all."""
