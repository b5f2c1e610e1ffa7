"""What a student keeps of a step in which it was overruled: changes of a transition before replay.

Without any, it keeps what happened: the executed action, its reward and its cost. A run's tables
say what happened either way.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp

from handrail.core.types import Transition

Stored = Callable[[Transition], Transition]


@dataclasses.dataclass(frozen=True)
class InterventionPenalty:
    """Takes this much reward off every step that was not the student's (arXiv:2205.06750)."""

    penalty: float

    def __call__(self, transition: Transition) -> Transition:
        paid = transition.reward - self.penalty * transition.intervened
        return dataclasses.replace(transition, reward=paid)


def proposed_action(transition: Transition) -> Transition:
    """What the student proposed, with what came of it: whoever overruled it counts as part of the
    environment (Recovery RL, arXiv:2010.15920).
    """
    return dataclasses.replace(transition, action=transition.proposed)


@dataclasses.dataclass(frozen=True)
class TakeoverEnds:
    """A step in which the student is overruled ends its episode: nothing follows for it.

    Its own proposal is kept, with this reward and this cost in place of what the substitute earned
    and paid (SAILR, arXiv:2106.09110: 0, and 1 / (1 − γ), a cost of 1 for ever). In its tables the
    episode goes on.
    """

    reward: float = 0.0
    cost: float = 0.0

    def __call__(self, transition: Transition) -> Transition:
        ends = transition.intervened
        return dataclasses.replace(
            transition,
            action=transition.proposed,
            reward=jnp.where(ends, self.reward, transition.reward),
            cost=jnp.where(ends, self.cost, transition.cost),
            terminated=transition.terminated | ends,
        )
