"""The Python functions for environments of one's own: keyword shortcuts to the methods."""
