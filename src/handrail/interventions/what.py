"""Substitutes: WHAT acts instead."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.equations.safety_checks import above_mean
from handrail.interventions.base import AbstractSubstitute, Substitution
from handrail.rng import stream
from handrail.types import Context, Observation


class RandomAboveMean(AbstractSubstitute):
    """A uniformly random action that the prior values above the state's mean.

    The set can be empty (all equal, or by rounding); then there is no substitute and the
    proposed action stands, where the original code of arXiv:2503.10318 crashes.
    """

    prior: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        allowed = above_mean(self.prior(context.observation), self.threshold)
        # the arg-max of uniform noise over a set is a uniform draw from it
        noise = jnp.where(allowed, jax.random.uniform(key, allowed.shape), -1.0)
        action = jnp.argmax(noise).astype(context.proposed.dtype)
        return Substitution(action, allowed.any())


class RandomAction(AbstractSubstitute):
    """A uniformly random action out of `n` (the substitute of the state-check ablation)."""

    n: int = eqx.field(static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        action = jax.random.randint(key, (), 0, self.n).astype(context.proposed.dtype)
        return Substitution(action, jnp.array(True))


class HeldAction(AbstractSubstitute):
    """A uniformly random action in [−1, 1]ⁿ, the same for a whole spell of steps.

    Unlike white noise it covers ground: a robot gets up speed.
    """

    length: int = eqx.field(static=True)  # steps
    key: Key[Array, ""]

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        held = stream(self.key, "held", context.step // self.length)
        action = jax.random.uniform(
            held, context.proposed.shape, context.proposed.dtype, minval=-1, maxval=1
        )
        return Substitution(action, jnp.array(True))


class Proposed(AbstractSubstitute):
    """Nothing: the proposed action stands."""

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        return Substitution(context.proposed, jnp.array(False))


class Policy(AbstractSubstitute):
    """A policy acts: a guide seen through the view, an expert, a user's safe controller.

    `act(observation, key) -> (action, extras)`, with extras named like the proposal's.
    """

    act: Callable[[Observation, Key[Array, ""]], tuple[Array, dict[str, Array]]]

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        action, extras = self.act(context.observation, key)
        return Substitution(action, jnp.array(True), extras)
