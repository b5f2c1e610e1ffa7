"""Which values of the cost critic a multiplier compares with the limit."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Batch = Float[Array, " batch"]
# (Q^c of stored actions, Q^c of the policy's actions, who acted) → (values, their weights)
Constrained = Callable[[Batch, Batch, Bool[Array, " batch"]], tuple[Batch, Batch]]


def stored_actions(stored: Batch, acted: Batch, intervened: Bool[Array, " batch"]):
    """Everything in the batch, as it was done (the authors' scripts).

    A guide that wanders safely fills the memory with steps that cost nothing, and a student that
    is dangerous by itself seems to keep the limit.
    """
    return stored, jnp.ones_like(stored)


def own_steps(stored: Batch, acted: Batch, intervened: Bool[Array, " batch"]):
    """What the policy would do now, where it acted itself. Beyond the paper."""
    return acted, (~intervened).astype(acted.dtype)
