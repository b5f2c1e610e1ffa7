"""Schedules: pure functions of how far a run has come."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Number = int | float | Float[Array, ""] | Int[Array, ""]


def linear(elapsed: Number, *, start: Number, end: Number, duration: Number) -> Float[Array, ""]:
    """From `start` at 0 to `end` at `duration`, constant outside.

    `elapsed` and `duration` share a unit: both in steps, or both as shares of the run (with
    `Clock.progress`). A duration beyond the run's end is allowed and ends early: the
    auto-encoder's ε of arXiv:2503.10318 runs over 4.0 of the run and stops near 0.76.
    """
    share = jnp.clip(jnp.asarray(elapsed) / duration, 0.0, 1.0)
    # Exact at both ends, which `start + share * (end - start)` is not.
    return start * (1.0 - share) + end * share


def exploration_rate(
    progress: Number, *, start: Number = 1.0, end: Number = 0.05, fraction: Number = 0.9
) -> Float[Array, ""]:
    """ε: from 1 to 0.05 over `fraction` of the run (the paper's values)."""
    return linear(progress, start=start, end=end, duration=fraction)


def importance_exponent(
    progress: Number, *, start: Number = 0.4, end: Number = 1.0, fraction: Number = 0.8
) -> Float[Array, ""]:
    """β of prioritized replay: from 0.4 to 1 over `fraction` of the run (the paper's values)."""
    return linear(progress, start=start, end=end, duration=fraction)
