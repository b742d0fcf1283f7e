"""What a person runs in a terminal: install, check and demo."""
