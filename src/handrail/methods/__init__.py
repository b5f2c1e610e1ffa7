"""The papers' methods, as functions of a problem and of settings, never of a task's name."""
