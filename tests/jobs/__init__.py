"""What goes on by itself after a purchase."""
