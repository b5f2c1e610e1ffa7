"""A reward for being where few other visits are: the particle estimate of state entropy.

The entropy of a set of visits is, up to constants, the mean logarithm of each one's distance to
its k-th nearest neighbour among the others (Kozachenko and Leonenko 1987; Singh et al. 2003). A
policy that is paid that logarithm visit by visit spreads its visits, as in APT (arXiv:2103.04551)
and RE3 (arXiv:2102.09430). arXiv:2307.14316 leaves distances other than displacement open.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError


def neighbour_distance(
    point: Float[Array, " n"], particles: Float[Array, "particles n"], neighbours: int
) -> Float[Array, ""]:
    """Euclidean distance to the k-th nearest of the *other* particles, k = `neighbours`.

    `point` is one of the particles; the nearest, at distance 0, is taken to be itself.

    Raises:
        HandrailError: k is not between 1 and the number of other particles.
    """
    others = particles.shape[0] - 1
    if not 1 <= neighbours <= others:
        raise HandrailError(
            f"the {neighbours}-th nearest of {others} other particles: expected neighbours from "
            f"1 to {others}, the size of the batch less one"
        )
    squares = jnp.sum((particles - point[None]) ** 2, axis=1)
    nearest, _ = jax.lax.top_k(-squares, neighbours + 1)
    return jnp.sqrt(jnp.maximum(-nearest[-1], 0.0))


def entropy_bonus(
    point: Float[Array, " n"],
    particles: Float[Array, "particles n"],
    neighbours: int = 3,
    offset: float = 1.0,
) -> Float[Array, ""]:
    """log(offset + distance to the k-th nearest other particle), per step, undiscounted.

    With an offset of 1 the bonus is never negative, and 0 where k other visits are the same.
    The unit of length must be fixed: particles that are standardised by their own deviation have
    the same distances however little they spread, so nothing is gained by spreading.
    """
    return jnp.log(offset + neighbour_distance(point, particles, neighbours))
