"""Experiments as data (`files/`), their plans, and the one launcher of runs."""
