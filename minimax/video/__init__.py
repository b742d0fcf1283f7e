"""Videos: prepare, buy, follow, list, cancel and download."""
