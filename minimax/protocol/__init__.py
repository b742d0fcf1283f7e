"""MCP over stdio and strict tools; knows nothing about MiniMax."""
