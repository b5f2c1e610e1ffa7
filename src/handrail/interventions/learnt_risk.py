"""WHEN and WHAT of learners that learn a risk while they learn the task.

Both ask `Context.policy_snapshot`, as it was before the block of steps: `risk(observation, action)`
is one number, `recover(observation)` an action, and `policy_snapshot(observation)` the policy's
distribution. So they act in training alone.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Memory
from handrail.equations.risk import first_safe, safe_log_weights
from handrail.interventions.asked import one_number
from handrail.interventions.base import (
    AbstractMemoryless,
    AbstractSubstitute,
    Substitution,
    Threshold,
    Verdict,
)


def learner_of(context: Context) -> Any:
    """What is being learnt; raises `HandrailError` where nothing is, or it knows no risk."""
    if not hasattr(context.policy_snapshot, "risk"):
        raise HandrailError(
            "this intervention asks the risk that a learner has learnt, but here is "
            f"{type(context.policy_snapshot).__name__}: it acts while a method with a risk critic "
            "is trained (recovery-rl, sqrl, csc), and in nothing else; take a guide for that"
        )
    return context.policy_snapshot


class RiskExceeds(AbstractMemoryless):
    """The learner's own critics say that the proposed action is riskier than a limit.

    Fires iff risk(s, a) > limit (Recovery RL, arXiv:2010.15920), and where that is not finite.
    """

    stream: ClassVar[str] = "RiskExceeds"
    limit: float = eqx.field(static=True)

    def __check_init__(self):
        if not 0 < self.limit < 1:
            raise HandrailError(
                f"the limit of the risk is {self.limit}: a risk is a discounted probability, and "
                "its critic says numbers from 0 to 1; give a limit between them, such as 0.3"
            )

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("risk", self.limit, "above"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        value = one_number(
            "the risk", learner_of(context).risk(context.observation, context.proposed)
        )
        unknown = ~jnp.isfinite(value)
        return Verdict((value > self.limit) | unknown, {"risk": value}, unknown)


class Recover(AbstractSubstitute):
    """The learner's recovery policy acts, which looks for the least risk (Recovery RL)."""

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        action = learner_of(context).recover(context.observation, key=key)
        return Substitution(action, jnp.array(True))


class FirstSafe(AbstractSubstitute):
    """The first of several actions of the policy that is safe, or the least risky of them (CSC)."""

    limit: float = eqx.field(static=True)
    samples: int = eqx.field(default=100, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        pre_squash, _, risks = _sampled(context, self.samples, key)
        return _substitution(pre_squash[first_safe(risks, self.limit)])


class SafeSample(AbstractSubstitute):
    """One of several actions of the policy that are safe, by their density, or the least risky of
    them (SQRL).
    """

    limit: float = eqx.field(static=True)
    samples: int = eqx.field(default=100, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        drawn, chosen = jax.random.split(key)
        pre_squash, log_probs, risks = _sampled(context, self.samples, drawn)
        weights = safe_log_weights(risks, log_probs, self.limit)
        return _substitution(pre_squash[jax.random.categorical(chosen, weights)])


def _sampled(context: Context, samples: int, key: Key[Array, ""]):
    """Actions of the policy before their squash, their log-densities, and their risks."""
    learner = learner_of(context)
    policy = learner(context.observation)
    pre_squash = jax.vmap(lambda k: policy.sample(key=k))(jax.random.split(key, samples))
    risks = jax.vmap(lambda u: learner.risk(context.observation, jnp.tanh(u)))(pre_squash)
    return pre_squash, jax.vmap(policy.log_prob)(pre_squash), risks


def _substitution(pre_squash: Float[Array, " action"]) -> Substitution:
    return Substitution(jnp.tanh(pre_squash), jnp.array(True), {"pre_squash": pre_squash})
