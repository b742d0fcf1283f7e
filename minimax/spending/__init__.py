"""Everything that decides whether money is spent: one door for paid calls."""
