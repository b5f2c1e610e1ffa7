"""Knowledge that ships with the package, and when a run uses it."""
