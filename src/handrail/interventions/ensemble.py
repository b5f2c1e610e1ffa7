"""The action check by several priors, which may disagree (beyond the papers)."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Memory, Observation
from handrail.equations.action_masks import allowed_values, random_allowed
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
    """A uniformly random action whose advantage is above the threshold; where there is none, one of
    the highest advantage, so that a pessimistic check never leaves the proposed action alone.

    An advantage that is not finite counts as the lowest; where none is, any action may be drawn.
    """

    advantages: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        given = vector(WHAT, ask(WHAT, self.advantages, context.observation))
        values = allowed_values(jnp.where(jnp.isfinite(given), given, -jnp.inf), context.allowed)
        above = values > self.threshold
        better = jnp.where(above.any(), above, values >= values.max())
        if context.allowed is not None:  # also where all that are allowed are not finite
            better &= context.allowed
        action = random_allowed(better, key=key)
        return Substitution(action.astype(context.proposed.dtype), jnp.array(True))
