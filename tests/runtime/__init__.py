"""Tests of minimax/runtime."""
