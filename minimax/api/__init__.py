"""MiniMax over HTTP: one client, its policies, its replies and its error codes."""
