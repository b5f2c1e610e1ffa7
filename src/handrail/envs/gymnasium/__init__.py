"""Environments of Gymnasium: spaces, costs, wrappers, single ones and vectors.

- *From a name or a function to an environment*: `named`, `building`, `layers`.
- *Read with care*: `host` and `vector` (their steps through `raw`, `raw_vector` and `reader`).
- *What is read*: `spaces`, `images`, `actions`, `costs`, `bonus`, `side_info`, `info_columns`.
- *Warnings*: `numbers`, `outside`, `scales`. Episodes that begin in danger: `unsafe_starts`.
"""
