"""Paid jobs that take minutes: querying them, following them, saving what they made."""
