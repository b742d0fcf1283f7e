"""The sample media, and the drawing of the sample video."""
