"""What a person runs in a terminal: check and demo."""
