"""Environments: the contracts, this project's tasks, and Gymnasium's."""
