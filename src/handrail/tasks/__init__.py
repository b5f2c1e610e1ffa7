"""Families of tasks: what their settings say, and the problems that methods are run on."""
