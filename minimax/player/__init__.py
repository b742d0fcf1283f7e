"""The player: an MCP App (SEP-1865) that shows jobs, videos, speech and images in the chat."""
