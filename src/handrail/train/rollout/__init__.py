"""Whole episodes without learning: compiled, and on the host."""
