"""One module per endpoint of MiniMax that the sandbox answers."""
