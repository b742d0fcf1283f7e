"""The parts of `minimax_server.py`: one noun per module, imports in one direction."""

__version__ = "0.1.0"
