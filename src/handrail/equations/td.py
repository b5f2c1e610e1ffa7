"""Temporal-difference targets and errors of one example; batches come from `jax.vmap`.

Names follow rlax: `q_tm1` are the values of the observation in which `a_tm1` was taken,
`r_t` and `discount_t` what followed, `q_t` the values of the next observation.

The end of an episode enters only through `discount_t`, made by `bootstrap_discount`:
the task's own end (`terminated`) cuts the bootstrap, a time limit (`truncated`) does not.
There is no `done` anywhere, so the two cannot be confused.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Scalar = float | Float[Array, ""]


def bootstrap_discount(discount: Scalar, terminated: Bool[Array, ""]) -> Float[Array, ""]:
    """`discount` while the task goes on, 0 after its own end.

    Pass `terminated` alone: after a time limit the next observation still has a value.
    Differs from the authors' scripts, where the loop's time-out fix has no effect and a
    time-out bootstraps from the first observation of the next episode.
    """
    return jnp.where(terminated, 0.0, discount)


def max_target(
    r_t: Float[Array, ""], discount_t: Float[Array, ""], q_t: Float[Array, " actions"]
) -> Float[Array, ""]:
    """Q-learning target r + γ max_b Q(s', b). Watkins & Dayan 1992."""
    return r_t + discount_t * jnp.max(q_t)


def double_q_target(
    r_t: Float[Array, ""],
    discount_t: Float[Array, ""],
    q_t_value: Float[Array, " actions"],
    q_t_selector: Float[Array, " actions"],
) -> Float[Array, ""]:
    """Double-Q target: the selector (online network) chooses, the value (target network) rates.

    van Hasselt, Guez & Silver 2016; used in phase 2 of arXiv:2503.10318. The first of equal
    maxima is chosen.
    """
    return r_t + discount_t * q_t_value[jnp.argmax(q_t_selector)]


def td_error(
    q_tm1: Float[Array, " actions"], a_tm1: Int[Array, ""], target_t: Float[Array, ""]
) -> Float[Array, ""]:
    """`target_t − q_tm1[a_tm1]`; no gradient flows into the target."""
    return jax.lax.stop_gradient(target_t) - q_tm1[a_tm1]


def weighted_squared_loss(error: Float[Array, ""], weight: Scalar = 1.0) -> Float[Array, ""]:
    """`weight · error²`, without a factor ½, as in the scripts of arXiv:2503.10318.

    `weight` is the importance weight of a prioritized draw (1 for uniform replay). The loss of
    a batch is the mean over examples.
    """
    return weight * jnp.square(error)


def action_gap(q_tm1: Float[Array, " actions"], a_tm1: Int[Array, ""]) -> Float[Array, ""]:
    """How far the action's value lies below the best one: `max_b q_tm1[b] − q_tm1[a_tm1]`, ≥ 0."""
    return jnp.max(q_tm1) - q_tm1[a_tm1]


def advantage_learning_target(
    target_t: Float[Array, ""],
    q_tm1_value: Float[Array, " actions"],
    a_tm1: Int[Array, ""],
    coefficient: Scalar,
) -> Float[Array, ""]:
    """A target with an enlarged action gap: `target_t − coefficient · action_gap`.

    Bellemare et al. 2016 (advantage learning), with `q_tm1_value` from the target network and
    `coefficient` in [0, 1). Keeps the best action's value and lowers all others, which helps
    where several actions change nothing and values differ by less than the approximation error
    (see the experiment `lava-gamma`). Not part of arXiv:2503.10318.
    """
    return target_t - coefficient * action_gap(q_tm1_value, a_tm1)
