"""A reward for observations that a network has not learnt to predict yet.

Random network distillation (arXiv:1810.12894): a network learns what another, random and fixed,
makes of observations. Where its error is large it has been seldom. arXiv:2307.14316 leaves
distances other than displacement open.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

MOST = 5.0
TINY = 1e-12


def prediction_error(
    wanted: Float[Array, " features"], predicted: Float[Array, " features"]
) -> Float[Array, ""]:
    """Mean square over the features."""
    return jnp.mean((wanted - predicted) ** 2)


def relative_novelty(
    error: Float[Array, ""], errors: Float[Array, " batch"], most: float = MOST
) -> Float[Array, ""]:
    """The error in multiples of the batch's mean, at most `most`; per step, undiscounted.

    Errors fall by orders of magnitude while the network learns. In place of the running deviation
    of the paper the batch's own mean gives them a unit, so that nothing has to be remembered.
    """
    return jnp.minimum(error / (jnp.mean(errors) + TINY), most)
