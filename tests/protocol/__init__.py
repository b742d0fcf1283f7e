"""Tests of minimax/protocol."""
