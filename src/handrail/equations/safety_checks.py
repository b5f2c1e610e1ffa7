"""The two questions before a step: is this state like an unsafe one, and is the action bad?

Of one example. State check: arXiv:2503.10318; action check: the prior of arXiv:1909.04307.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Scalar = float | Float[Array, ""]


def mean_nearest_distance(
    embedding: Float[Array, " latent"],
    stored: Float[Array, "capacity latent"],
    filled: int | Int[Array, ""],
    k: int = 10,
) -> Float[Array, ""]:
    """Mean Euclidean distance to the nearest `min(k, filled)` of the first `filled` rows.

    `filled` may exceed the capacity (a ring that has turned over). `inf` when nothing is stored.
    Differs from the authors' code, where the zero rows of a part-filled buffer compete.
    """
    capacity = stored.shape[0]
    distances = jnp.sqrt(jnp.sum(jnp.square(stored - embedding[None]), axis=-1))
    distances = jnp.where(jnp.arange(capacity) < filled, distances, jnp.inf)
    nearest = -jax.lax.top_k(-distances, min(k, capacity))[0]
    count = jnp.minimum(filled, min(k, capacity))
    total = jnp.sum(jnp.where(jnp.isfinite(nearest), nearest, 0.0))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.inf)


def is_near_unsafe(
    mean_distance: Float[Array, ""],
    filled: int | Int[Array, ""],
    *,
    distance: Scalar = 2.5,
    min_entries: int = 3,
) -> Bool[Array, ""]:
    """Unsafe iff the mean distance is strictly below `distance` and *more than* `min_entries`
    unsafe states are known (with fewer, the check stays silent)."""
    return (mean_distance < distance) & (filled > min_entries)


def values_over_mean(q: Float[Array, " actions"]) -> Float[Array, " actions"]:
    """`q − mean(q)`, exactly 0 for equal values.

    The largest value is taken off first: a rounded mean of equal values may differ from them,
    which made the authors' code flag an action and then find no better one.
    """
    relative = q - jnp.max(q)
    return relative - jnp.mean(relative)


def value_over_sampled_mean(
    value: Float[Array, ""], sampled: Float[Array, " samples"]
) -> Float[Array, ""]:
    """`value − mean(sampled)`, exactly 0 where all are equal.

    The action check of continuous actions: `value` is Q_p(s, a) of the proposed action, `sampled`
    are Q_p(s, b) of actions b drawn from the whole space, which stand for the mean over them.
    """
    highest = jnp.max(sampled)
    return (value - highest) - jnp.mean(sampled - highest)


def is_below_mean(
    q: Float[Array, " actions"], action: Int[Array, ""], threshold: Scalar = 0.0
) -> Bool[Array, ""]:
    """Undesirable iff `q[action] − mean(q) < threshold`, strictly."""
    return values_over_mean(q)[action] < threshold


def above_mean(q: Float[Array, " actions"], threshold: Scalar = 0.0) -> Bool[Array, " actions"]:
    """The actions that may replace an undesirable one: `q − mean(q) > threshold`, strictly.

    May be empty (equal values; a positive threshold): then the proposed action should stand.
    """
    return values_over_mean(q) > threshold


def pessimistic_advantages(
    q: Float[Array, "members actions"], pessimism: Scalar
) -> Float[Array, " actions"]:
    """`mean − pessimism · σ` over the members of each one's `q − mean(q)`; σ is the population's.

    With pessimism 0 the mean advantage, with one member its advantage.
    """
    advantages = jax.vmap(values_over_mean)(q)
    return advantages.mean(axis=0) - pessimism * advantages.std(axis=0)
