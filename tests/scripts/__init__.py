"""Programs for maintainers: the shape of the code, generated documents, pinned versions."""
