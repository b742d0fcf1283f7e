"""Other people's MCP clients, each making a video with this server on the sandbox.

uv run python -m tests.clients

prints which of them, in which version, get to the end.
"""
