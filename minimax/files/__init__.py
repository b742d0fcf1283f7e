"""Files of the person: reading inputs, saving results, fetching URLs, judging content."""
