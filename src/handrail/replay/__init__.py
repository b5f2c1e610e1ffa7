"""Memories of transitions: a ring, one for each actor, by priority."""
