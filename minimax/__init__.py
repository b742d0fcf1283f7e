"""The parts of `minimax_server.py`: a folder per area, imports in one direction."""

__version__ = "0.2.0"
