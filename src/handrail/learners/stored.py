"""What a student keeps of a step in which it was overruled: changes of a transition before replay.

Without any, it keeps what happened: the executed action, its reward and its cost. A run's tables
say what happened either way.
"""

import abc
import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.types import Observation, Transition


class AbstractStored(eqx.Module):
    """A change of a transition."""

    @abc.abstractmethod
    def __call__(self, transition: Transition) -> Transition:
        """What is stored in place of it."""


class InterventionPenalty(AbstractStored):
    """Takes this much reward off every step that was not the student's (arXiv:2205.06750)."""

    penalty: float = eqx.field(static=True)

    def __call__(self, transition: Transition) -> Transition:
        paid = transition.reward - self.penalty * transition.intervened
        return dataclasses.replace(transition, reward=paid)


class ProposedAction(AbstractStored):
    """What the student proposed, with what came of it: whoever overruled it counts as part of the
    environment (Recovery RL, arXiv:2010.15920).
    """

    def __call__(self, transition: Transition) -> Transition:
        return dataclasses.replace(transition, action=transition.proposed)


class TakeoverEnds(AbstractStored):
    """A step in which the student is overruled ends its episode: nothing follows for it.

    Its own proposal is kept, with this reward and this cost in place of what the substitute earned
    and paid (SAILR, arXiv:2106.09110: 0, and 1 / (1 − γ), a cost of 1 for ever). In its tables the
    episode goes on.

    Attributes:
        reward: of the end.
        cost: of the end; of several costs, of each.
        value: of an observation what the substitute would earn from there on, in place of `reward`
            (SOOPER, arXiv:2601.19612).
    """

    reward: float = eqx.field(default=0.0, static=True)
    cost: float = eqx.field(default=0.0, static=True)
    value: Callable[[Observation], Float[Array, ""]] | None = None

    def __call__(self, transition: Transition) -> Transition:
        ends = transition.intervened
        worth = self.reward if self.value is None else self.value(transition.observation)
        each = transition.constraints
        return dataclasses.replace(
            transition,
            action=transition.proposed,
            reward=jnp.where(ends, worth, transition.reward),
            cost=jnp.where(ends, self.cost, transition.cost),
            constraints=None if each is None else jnp.where(ends, self.cost, each),
            terminated=transition.terminated | ends,
        )
