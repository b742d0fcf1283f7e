"""MCP over stdio and strict tools; knows nothing of MiniMax."""
