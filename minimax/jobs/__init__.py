"""Paid jobs that take minutes: asking how they stand, following them, saving what they made."""
