"""The MiniMax endpoints of the sandbox, one module each."""
