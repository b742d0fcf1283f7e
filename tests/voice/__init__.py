"""Tests of minimax/voice."""
