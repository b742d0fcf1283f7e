"""Everything that decides whether money is spent: all paid calls go through here."""
