"""Named key streams.

Every use of randomness names its stream. A key is derived from the run's key, the
stream's name and the counters that locate the draw, so that adding a stream (another
condition of an intervention, another metric) never shifts the draws of the others, and
a run resumed at step `n` draws exactly what an uninterrupted run draws there.
"""

import zlib

import jax
from jaxtyping import Array, Int, Key


def stream(key: Key[Array, ""], name: str, *counters: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of the stream `name` at the given counters (such as the step in the run)."""
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    for counter in counters:
        key = jax.random.fold_in(key, counter)
    return key
