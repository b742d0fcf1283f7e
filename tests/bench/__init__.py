"""The numbers: what this server costs, as ratios to what there is at least and to what there was.

uv run python -m tests.bench
"""
