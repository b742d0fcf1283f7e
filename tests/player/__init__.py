"""The player: what its host is told, and the page itself in a real browser."""
