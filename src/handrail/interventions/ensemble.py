"""The action check by several priors, which may disagree (beyond the papers)."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Memory, Observation
from handrail.equations.safety_checks import pessimistic_advantages
from handrail.interventions.asked import as_array, ask, vector
from handrail.interventions.base import (
    AbstractMemoryless,
    AbstractSubstitute,
    Substitution,
    Threshold,
    Verdict,
)

WHAT = "the ensemble of priors"


class PessimisticAdvantages(eqx.Module):
    """Of every action, mean − `pessimism` · deviation of the members' advantages."""

    members: Callable[[Observation], Float[Array, "members actions"]]
    pessimism: float = eqx.field(default=0.0, static=True)

    def __call__(self, observation: Observation) -> Float[Array, " actions"]:
        expected = "a row of values for each member"
        values = as_array(WHAT, ask(WHAT, self.members, observation), expected)
        if values.ndim != 2:
            raise HandrailError(
                f"{WHAT} gives an array of shape {values.shape}; expected {expected}: "
                "(members, actions)"
            )
        return pessimistic_advantages(values, self.pessimism)


class AdvantageBelow(AbstractMemoryless):
    """The action check of an ensemble: fires iff the advantage of the proposed action is below the
    threshold, and where an advantage is not finite.

    Unlike `BelowMean` it takes advantages as they are: `PessimisticAdvantages` have no mean of 0.
    Reports `prior_advantage` and `action_check`.
    """

    stream: ClassVar[str] = "AdvantageBelow"
    advantages: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("prior_advantage", self.threshold, "below"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        values = vector(WHAT, ask(WHAT, self.advantages, context.observation))
        unknown = ~jnp.isfinite(values).all()
        advantage = values[context.proposed]
        fires = (advantage < self.threshold) | unknown
        return Verdict(fires, {"prior_advantage": advantage, "action_check": fires}, unknown)


class RandomAdvantageous(AbstractSubstitute):
    """A uniformly random other action whose advantage is above the threshold; where there is none,
    one of the highest advantage, so that a pessimistic check never leaves the proposed one alone.

    An advantage that is not finite counts as the lowest; where none is, any action may be drawn.
    """

    advantages: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        given = vector(WHAT, ask(WHAT, self.advantages, context.observation))
        values = jnp.where(jnp.isfinite(given), given, -jnp.inf)
        above = (values > self.threshold) & (jnp.arange(values.size) != context.proposed)
        allowed = jnp.where(above.any(), above, values >= values.max())
        # the arg-max of uniform noise over a set is a uniform draw from it
        noise = jnp.where(allowed, jax.random.uniform(key, allowed.shape), -1.0)
        return Substitution(jnp.argmax(noise).astype(context.proposed.dtype), jnp.array(True))
