"""The step of constrained policy optimisation (CPO): a linear goal in a ball, below a plane.

    maximise gᵀx  subject to  c + bᵀx ≤ 0  and  ½ xᵀHx ≤ δ

g is the gradient of the reward, b that of the cost, H the Fisher matrix, c the cost in excess of
the limit. Two directions, H⁻¹g and H⁻¹b, span the solution, and three numbers decide it:
q = gᵀH⁻¹g, r = gᵀH⁻¹b, s = bᵀH⁻¹b.

Source: arXiv:1705.10528, Sec. 5 and Appendix. It is solved by its geometry, which agrees with the
dual of the paper where that is finite, and needs no case analysis of the dual's intervals.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Scalar = Float[Array, ""]
Vector = Float[Array, " n"]


def conjugate_gradients(
    product: Callable[[Vector], Vector], target: Vector, *, iterations: int
) -> Vector:
    """x with Hx ≈ `target`, from 0, for a positive definite H that is known by its `product`.

    In exact arithmetic n iterations solve n equations; once the residual is 0, nothing changes.
    """

    def one(_, carry):
        x, residual, direction, square = carry
        image = product(direction)
        curvature = direction @ image
        length = _ratio(square, curvature)
        x, residual = x + length * direction, residual - length * image
        after = residual @ residual
        return x, residual, residual + _ratio(after, square) * direction, after

    begin = jnp.zeros_like(target), target, target, target @ target
    return jax.lax.fori_loop(0, iterations, one, begin)[0]


class ConstrainedStep(eqx.Module):
    """x = `reward` · H⁻¹g + `cost` · H⁻¹b."""

    reward: Scalar
    """1/λ of the dual; 0 where only the cost is to fall."""
    cost: Scalar
    """−ν/λ of the dual."""
    recovers: Bool[Array, ""]
    """No step within the ball keeps the limit: this one lowers the cost as far as it can."""


def constrained_step(q: Scalar, r: Scalar, s: Scalar, excess: Scalar, radius: float | Scalar):
    """The `ConstrainedStep` of largest gain; `excess` is c, `radius` is δ.

    Three cases: the ball's best point, where it keeps the limit; else the best point of the
    disc in which the plane cuts the ball; else, where they do not meet, straight down the cost.
    """
    free = jnp.sqrt(_ratio(2 * radius, q))
    slack = excess + free * r <= 0
    depth = 2 * radius - _ratio(excess**2, s)  # B: what the plane leaves of the ball
    recovers = ~slack & ((depth < 0) | (s <= 0))
    sideways = q - _ratio(r**2, s)  # A: what is left of g along the plane
    # where g and b are parallel there is nothing to gain along the plane
    parallel = sideways <= 8 * jnp.finfo(q.dtype).eps * q
    along = jnp.sqrt(_ratio(jnp.maximum(depth, 0.0), jnp.where(parallel, 0.0, sideways)))
    onto = -_ratio(excess + along * r, s)
    down = -jnp.sqrt(_ratio(2 * radius, s))
    return ConstrainedStep(
        reward=jnp.where(slack, free, jnp.where(recovers, 0.0, along)),
        cost=jnp.where(slack, 0.0, jnp.where(recovers, down, onto)),
        recovers=recovers,
    )


def _ratio(numerator: Scalar | float, denominator: Scalar) -> Scalar:
    """0 where there is nothing to divide by: a direction of no length is not taken."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)
