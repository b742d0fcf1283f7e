"""Tests of minimax/spending."""
