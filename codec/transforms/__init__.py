"""Analysis and synthesis transforms."""
