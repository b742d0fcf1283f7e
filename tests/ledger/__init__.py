"""Tests of minimax/ledger."""
