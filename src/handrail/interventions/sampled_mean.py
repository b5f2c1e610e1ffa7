"""The action check for real actions: is the proposed one worse than actions drawn at random?"""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Memory, Observation
from handrail.equations.safety_checks import value_over_sampled_mean
from handrail.interventions.asked import ask, one_number
from handrail.interventions.base import AbstractMemoryless, Threshold, Verdict


class BelowSampledMean(AbstractMemoryless):
    """The prior values the proposed action below the mean of actions drawn from the whole box.

    Fires iff Q_p(s, a) − mean_b Q_p(s, b) < threshold, b uniform in [−1, 1]ⁿ, and where a value is
    not finite. Reports `prior_advantage` and `action_check`. `BelowMean` for real actions (beyond
    both papers).

    `prior(observation, action)` gives one number, higher for better actions: what a critic of
    costs expects, times −1, will do. Actions are the agent's, where −1 and 1 stand for the bounds.
    """

    stream: ClassVar[str] = "BelowSampledMean"
    prior: Callable[[Observation, Array], Float[Array, ""]]
    threshold: float = eqx.field(default=0.0, static=True)
    samples: int = eqx.field(default=64, static=True)

    def __check_init__(self):
        if self.samples < 1:
            raise HandrailError(
                f"samples is {self.samples}: expected how many actions the proposed one is "
                "compared with, such as 64"
            )

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("prior_advantage", self.threshold, "below"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        proposed = context.proposed
        if jnp.issubdtype(proposed.dtype, jnp.integer):
            raise HandrailError(
                "BelowSampledMean compares real actions, but here they are numbered: take "
                "BelowMean, which asks the prior for the values of all actions"
            )
        shape = (self.samples, *proposed.shape)
        others = jax.random.uniform(key, shape, proposed.dtype, minval=-1, maxval=1)
        value = self._value(context.observation, proposed)
        sampled = jax.vmap(lambda action: self._value(context.observation, action))(others)
        unknown = ~(jnp.isfinite(value) & jnp.isfinite(sampled).all())
        advantage = value_over_sampled_mean(value, sampled)
        fires = (advantage < self.threshold) | unknown
        return Verdict(fires, {"prior_advantage": advantage, "action_check": fires}, unknown)

    def _value(self, observation: Observation, action: Array) -> Float[Array, ""]:
        return one_number("the prior", ask("the prior", self.prior, observation, action))
