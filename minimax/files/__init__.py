"""The person's files: reading inputs, saving results, fetching URLs, checking content."""
