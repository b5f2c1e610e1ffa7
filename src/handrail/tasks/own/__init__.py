"""Environments of the user's as a family of tasks: for commands and experiment files."""
