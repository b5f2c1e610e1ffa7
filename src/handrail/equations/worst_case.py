"""Worst-case costs: a critic of the variance beside that of the mean (WCSAC, AAAI 2021).

The cost-return is taken to be Gaussian. Its conditional value at risk at level α is the mean of the
worst α of its outcomes. All functions are of one example.
"""

import math
from statistics import NormalDist

import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError

Scalar = Float[Array, "*costs"]
LOWEST, HIGHEST = 1e-8, 1e8
"""The range of a variance."""


def cvar_factor(level: float) -> float:
    """φ(Φ⁻¹(α)) / α: how many standard deviations above the mean the worst α lie on average.

    Of 1 it is 0, the mean itself. Raises `HandrailError` outside of (0, 1].
    """
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level <= 1:
        raise HandrailError(
            f"the risk level is {level!r}: expected a share of the worst outcomes, above 0 and at "
            "most 1, such as 0.1 (1: the mean)"
        )
    if level == 1:
        return 0.0
    return math.exp(-(NormalDist().inv_cdf(level) ** 2) / 2) / math.sqrt(2 * math.pi) / level


def clipped_variance(variance: Scalar) -> Scalar:
    """The variance in its range, ends included; outside it has no gradient."""
    highest = jnp.where(variance > HIGHEST, HIGHEST, variance)
    return jnp.where(variance < LOWEST, LOWEST, highest)


def cvar(mean: Scalar, variance: Scalar, *, factor: float) -> Scalar:
    """Γ = Q + factor √V, the expected cost-return of the worst outcomes, discounted."""
    return mean + factor * jnp.sqrt(clipped_variance(variance))


def variance_target(
    cost: Scalar, value: Scalar, next_value: Scalar, next_variance: Scalar, *, discount: float
) -> Scalar:
    """What the critic of the variance should say: c² + 2γcQ′ + γ²V′ + γ²Q′² − Q².

    There is no (1 − terminated) in it, as in the authors' code (docs/decisions.md, T6).

    Args:
        value: the cost critic's mean here, at the action that was taken.
        next_value, next_variance: of the targets at the next observation and a fresh action.
    """
    following = next_value**2 + clipped_variance(next_variance)
    second = cost**2 + 2 * discount * cost * next_value + discount**2 * following
    return clipped_variance(second - value**2)


def variance_loss(variance: Scalar, target: Scalar) -> Scalar:
    """½ (V + V̂ − 2 √(V V̂)): half the squared Wasserstein distance of Gaussians of one mean."""
    variance = clipped_variance(variance)
    return 0.5 * (variance + target - 2 * jnp.sqrt(variance * target))
