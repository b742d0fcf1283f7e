"""Tests of minimax/files."""
