"""Importance weights for actions that the guide chose (arXiv:2307.14316, Eq. for I and Appendix).

The weight of an executed action is the ratio of the student's density to the guide's, clipped;
it is 1 where the student acted. Two things can be chosen by passing a function: at which point
log-densities are evaluated (`authors_point`, `exact_point`) and how a weight enters a critic's
squared error (`weight_inside_square`, `weight_outside_square`).
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
# (action, pre-squash value) → where a `SquashedGaussian`'s log-density is evaluated
Point = Callable[[Float[Array, " action"], Float[Array, " action"]], Float[Array, " action"]]
# (temporal-difference error, importance weight) → loss
WeightedSquare = Callable[[Scalar, Scalar], Scalar]


def importance_weight(
    student_log_prob: Scalar, guide_log_prob: Scalar, *, low: float = 0.1, high: float = 2.0
) -> Scalar:
    """clip(π⊙(a|s) / π⋄(a|Ξ(s)), low, high), from the two log-densities of one action.

    The difference is clipped before the exponential, so that no ratio overflows. Where both
    densities are zero there is no ratio, and the weight is 1.
    """
    difference = student_log_prob - guide_log_prob
    difference = jnp.where(jnp.isnan(difference), 0.0, difference)
    return jnp.exp(jnp.clip(difference, math.log(low), math.log(high)))


def authors_point(
    action: Float[Array, " action"], pre_squash: Float[Array, " action"]
) -> Float[Array, " action"]:
    """The authors' scripts: the squashed action is inserted as if it were the pre-squash one.

    What comes out is no density of the executed action, but it is bounded: saturated actions
    (|a| → 1) stay within one unit of zero, where the exact log-density of an action under another
    policy can be −50 and worse.
    """
    return action


def exact_point(
    action: Float[Array, " action"], pre_squash: Float[Array, " action"]
) -> Float[Array, " action"]:
    """The pre-squash value that the executed action came from: the true density.

    Differs from the authors' scripts. The value has to be stored with the action: going back
    by arctanh would lose it in float32 for saturated actions.
    """
    return pre_squash


def weight_inside_square(error: Scalar, weight: Scalar) -> Scalar:
    """½ (I δ)²: the weight acts squared, as in the authors' scripts."""
    return 0.5 * (weight * error) ** 2


def weight_outside_square(error: Scalar, weight: Scalar) -> Scalar:
    """½ I δ²: the weight acts once, as importance sampling has it.

    Differs from the authors' scripts.
    """
    return 0.5 * weight * error**2
