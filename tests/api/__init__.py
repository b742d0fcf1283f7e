"""Tests of minimax/api."""
