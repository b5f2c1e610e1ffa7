"""Environments of other JAX libraries, and compiled ones of the user's, as agents need them."""
