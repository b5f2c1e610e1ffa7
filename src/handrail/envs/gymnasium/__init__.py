"""Environments of Gymnasium: spaces, costs, wrappers, single ones and vectors."""
