"""The sample media, and the generator of sample images."""
