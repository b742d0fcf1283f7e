"""Tests of minimax/video."""
