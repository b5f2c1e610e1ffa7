"""How undesirable an action is, judged by the value functions of N source tasks.

The prior of Karimpanal et al. 2020 (arXiv:1909.04307) in the form that the scripts of
arXiv:2503.10318 use. All functions are of one example; arrays run over the N source tasks.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Bool, Float, Int

Scalar = float | Float[Array, ""]

NEAR_ZERO = 1e-6  # a best value this small gives no scale to measure an action against


def has_scale(q: Float[Array, "tasks actions"]) -> Bool[Array, ""]:
    """Whether every task's best value is far enough from 0 to divide by."""
    return jnp.all(jnp.abs(jnp.max(q, axis=-1)) > NEAR_ZERO)


def undesirability_weights(
    q: Float[Array, "tasks actions"], action: Int[Array, ""]
) -> Float[Array, " tasks"]:
    """w_i = |Q_i(s, a) / max_b Q_i(s, b) − 1|: the relative loss of taking `action` in task i.

    0 where the action is best, and 0 for a task whose best value is near 0 (the quotient would
    not be a number).
    """
    best = jnp.max(q, axis=-1)
    defined = jnp.abs(best) > NEAR_ZERO
    quotient = q[:, action] / jnp.where(defined, best, 1.0)
    return jnp.where(defined, jnp.abs(quotient - 1.0), 0.0)


def normalised_entropy(probabilities: Float[Array, " tasks"]) -> Float[Array, ""]:
    """Entropy divided by log N, in [0, 1]; 0·log 0 counts as 0. Needs N ≥ 2."""
    return -jnp.sum(xlogy(probabilities, probabilities)) / jnp.log(probabilities.shape[0])


def undesirability(q: Float[Array, "tasks actions"], action: Int[Array, ""]) -> Float[Array, ""]:
    """Mean weight × normalised entropy of softmax(weights): large if *all* tasks dislike it.

    0 if any task's best value is near 0. Differs from the authors' code: there such a quotient
    gives a NaN, which compares as below every threshold; here it is 0 from the start.
    """
    weights = undesirability_weights(q, action)
    value = jnp.mean(weights) * normalised_entropy(jax.nn.softmax(weights))
    return jnp.where(has_scale(q), value, 0.0)


def pseudo_reward(
    q: Float[Array, "tasks actions"],
    action: Int[Array, ""],
    next_values: Float[Array, " tasks"],
    *,
    discount: Scalar,
    threshold: Scalar = 0.1,
) -> Float[Array, ""]:
    """The reward the prior is trained on: Σ_i p_i (Q_i(s, a) − γ V_i(s')), p = softmax(w).

    0 unless the undesirability exceeds `threshold`.

    `next_values` are V_i(s') = max_b Q_i(s', b), chosen by the caller, who knows what a terminal
    step is: *masked* passes zeros after a step that terminated (handrail's default: no value
    leaks through the end of a task); *the authors'* form passes the values of the first
    observation of the next episode, because their environment has been reset by then and their
    script has no mask. Nothing else differs between the two. A time limit is not an end: pass
    the values of the observation that was reached.
    """
    mixture = jax.nn.softmax(undesirability_weights(q, action))
    reward = jnp.sum(mixture * (q[:, action] - discount * next_values))
    return jnp.where(undesirability(q, action) > threshold, reward, 0.0)
