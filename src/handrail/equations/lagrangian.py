"""Soft actor-critic with a Lagrange multiplier (SAC-Lagrangian): the equations of one example.

Names: `entropy_weight` is α, `multiplier` is β (the price of cost). Both are softplus of a free
parameter. Critics estimate discounted sums; every cost is ≥ 0. All functions take and return
scalars; `jax.vmap` adds the batch, and the caller reduces it.

Source: arXiv:2307.14316, Sec. 4 and Appendix (SAC-Lagrangian), as the authors' scripts compute it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]


def positive(parameter: Float[Array, "*costs"]) -> Float[Array, "*costs"]:
    """α or β from its free parameter: softplus, so that gradient steps keep it positive."""
    return jax.nn.softplus(parameter)


def reward_target(
    reward: Scalar,
    terminated: Scalar,
    next_values: Float[Array, " critics"],
    next_log_prob: Scalar,
    *,
    discount: float,
    entropy_weight: Scalar,
    critic_reduction: Callable[[Array], Scalar] = jnp.min,
) -> Scalar:
    """What a reward critic should say: r + γ (1 − terminated)(min Q⁻ − α log π).

    Args:
        reward: per step, any likelihood bonus included.
        terminated: 1 at the task's own end, 0 otherwise; a time limit is *not* an end.
        next_values: the target critics at the next observation and a fresh action.
        next_log_prob: log-density of that action under the current policy.
        critic_reduction: of the values of several critics; by default the lowest.
    """
    soft = critic_reduction(next_values) - entropy_weight * next_log_prob
    return reward + discount * (1 - terminated) * soft


def cost_target(cost: Scalar, terminated: Scalar, next_value: Scalar, *, discount: float) -> Scalar:
    """What the cost critic should say: c + γ (1 − terminated) Q^c⁻. Cost has no entropy term.

    Args:
        cost: of this step, undiscounted, ≥ 0.
        next_value: the target cost critic at the next observation and a fresh action.
    """
    return cost + discount * (1 - terminated) * next_value


def repeated(
    next_values: Float[Array, "*costs"],
    same_action_values: Float[Array, "*costs"],
    *,
    action_repeat_prob: float,
) -> Float[Array, "*costs"]:
    """Expected costs if the same action is repeated in the next step with this probability, and
    again in the one after it. Beyond the paper.

    Args:
        next_values: of each cost, the target critic at the next observation and a fresh action.
        same_action_values: the same at the next observation and the *last* action.
    """
    return (1 - action_repeat_prob) * next_values + action_repeat_prob * same_action_values


def damping(cost_values: Float[Array, " batch"], limit: float, scale: float) -> Scalar:
    """κ = scale · mean(limit − Q^c(s, a)): lowers the price of cost while the critic is below the
    limit, raises it above; it damps the oscillation between policy and multiplier.

    Args:
        cost_values: the cost critic at stored actions.
        limit: on the critic's discounted scale, from `budget.discounted_limit`.

    The one function here that looks at a whole batch: κ is a statistic of it.
    """
    return scale * jnp.mean(limit - cost_values)


def actor_loss(
    log_prob: Scalar,
    reward_values: Float[Array, " critics"],
    cost_values: Float[Array, "*costs"],
    *,
    entropy_weight: Scalar,
    multiplier: Float[Array, "*costs"],
    damping: Float[Array, "*costs"],
    critic_reduction: Callable[[Array], Scalar] = jnp.min,
) -> Scalar:
    """α log π − min Q + Σ (β − κ) Q^c at an action of the current policy; a sum where there are
    several costs, each with a multiplier and a damping of its own (beyond the paper).
    `critic_reduction` as in `reward_target`.
    """
    price = multiplier - damping
    return (
        entropy_weight * log_prob - critic_reduction(reward_values) + jnp.sum(price * cost_values)
    )


def entropy_weight_loss(
    entropy_weight: Scalar, log_prob: Scalar, *, target_entropy: float
) -> Scalar:
    """−α (target + log π): its gradient raises α while the policy's entropy is below the target."""
    return -entropy_weight * (target_entropy + log_prob)


def multiplier_loss(multiplier: Scalar, cost_value: Scalar, *, limit: float) -> Scalar:
    """β (limit − Q^c(s, a)): its gradient raises β while the critic is above the limit.

    Args:
        limit: on the critic's discounted scale, from `budget.discounted_limit`.

    The authors *sum* this over the batch; Adam makes the factor nearly irrelevant.
    """
    return multiplier * (limit - cost_value)
