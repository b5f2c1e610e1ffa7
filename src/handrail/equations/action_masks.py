"""Actions that are not allowed in a state, left out of maxima and of random draws.

Invalid action masking (Huang & Ontañón 2022, arXiv:2006.14171), for action values. Functions of
one example; `allowed` is True where an action may be taken, and None where all may.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def allowed_values(
    q: Float[Array, " actions"], allowed: Bool[Array, " actions"] | None
) -> Float[Array, " actions"]:
    """The values, −inf where an action is not allowed: no maximum ever chooses it."""
    return q if allowed is None else jnp.where(allowed, q, -jnp.inf)


def random_allowed(allowed: Bool[Array, " actions"], *, key: Key[Array, ""]) -> Int[Array, ""]:
    """A uniformly random action among those that are allowed; of none the first."""
    # the arg-max of uniform noise over a set is a uniform draw from it
    noise = jnp.where(allowed, jax.random.uniform(key, allowed.shape), -1.0)
    return jnp.argmax(noise).astype(jnp.int32)
