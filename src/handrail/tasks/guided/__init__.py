"""Families of tasks in which a guide makes a student safe: what they have in common."""
