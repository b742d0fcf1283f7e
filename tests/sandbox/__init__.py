"""Tests of minimax/sandbox."""
