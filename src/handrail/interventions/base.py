"""An intervention = WHEN to step in × WHAT acts instead."""

import abc

import equinox as eqx
from jaxtyping import Array, Bool, Float, Key

from handrail.rng import stream
from handrail.types import Action, Context, Decision, Memory, Transition


class Verdict(eqx.Module):
    """Whether a trigger fires, and the quantities that it looked at."""

    fires: Bool[Array, ""]
    evidence: dict[str, Array]


class AbstractTrigger(eqx.Module):
    """WHEN to step in.

    A trigger decides from the context and its memory, and updates its memory from what
    happened then (`observe`), which is also where an episode's end clears what belongs to
    the episode. Deciding never changes the memory.
    """

    @abc.abstractmethod
    def init(self) -> Memory:
        """The memory at the beginning of a run."""

    @abc.abstractmethod
    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        """Whether to step in now."""

    @abc.abstractmethod
    def observe(self, memory: Memory, transition: Transition) -> Memory:
        """The memory after a step; `terminated | truncated` marks the end of the episode."""

    def __and__(self, other: "AbstractTrigger") -> "AbstractTrigger":
        from handrail.interventions.when import Both

        return Both(self, other)

    def __or__(self, other: "AbstractTrigger") -> "AbstractTrigger":
        from handrail.interventions.when import Either

        return Either(self, other)


class Substitution(eqx.Module):
    """What acts instead: an action, whether there is one, and its log-density if it has one."""

    action: Action
    available: Bool[Array, ""]  # False: the proposed action stands
    log_prob: Float[Array, ""]


class AbstractSubstitute(eqx.Module):
    """WHAT acts instead of the learner."""

    @abc.abstractmethod
    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        """The substitute's action in this context."""


class Intervention(eqx.Module):
    """WHEN × WHAT. The only place where a proposed action becomes an executed one."""

    when: AbstractTrigger
    what: AbstractSubstitute

    def init(self) -> Memory:
        return self.when.init()

    def observe(self, memory: Memory, transition: Transition) -> Memory:
        return self.when.observe(memory, transition)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Decision:
        import jax.numpy as jnp

        verdict = self.when(context, memory, key=stream(key, "when"))
        substitution = self.what(context, key=stream(key, "what"))
        intervened = verdict.fires & substitution.available
        return Decision(
            action=jnp.where(intervened, substitution.action, context.proposed),
            intervened=intervened,
            evidence=verdict.evidence,
            log_prob=jnp.where(intervened, substitution.log_prob, 0.0),
        )
