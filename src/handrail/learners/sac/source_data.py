"""What was met in the source, where mistakes were allowed: a student learns costs from it.

A student that a guide keeps from harm never sees how an incident goes on, nor how one gets out of
it: its guide always does. The source has seen both. Every batch of the target is joined by one of
the source (as with offline data, arXiv:2302.02948), of which the student's cost critic learns what
follows if *the student* goes on, and its actor what to do there. Rewards are learnt from the target
alone, since the source has none of the task's. Beyond the paper.
"""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from handrail.core.types import Action, Observation, Transition


class SourceTransitions(eqx.Module):
    """Steps of the source; every leaf has a leading axis.

    What the guide was paid is left out, and so is who acted: neither holds in the target.
    """

    observation: Observation
    action: Action
    cost: Float[Array, " n"]
    next_observation: Observation
    terminated: Float[Array, " n"]  # 1 where the source ended; 0 at a time limit

    @property
    def size(self) -> int:
        """How many there are."""
        return self.cost.shape[0]


def without_rewards(steps: Transition) -> SourceTransitions:
    """What of stored steps (a leading axis) is true in source and target."""
    return SourceTransitions(
        observation=steps.observation,
        action=steps.action,
        cost=steps.cost,
        next_observation=steps.next_observation,
        terminated=steps.terminated.astype(steps.cost.dtype),
    )


class SourceData(eqx.Module):
    """A fixed memory of the source.

    Attributes:
        steps: the memory.
        completed: (observation of the source, one of the target) → the target's, of which the
            view shows the source's: `completed` of the view.
    """

    steps: SourceTransitions
    completed: Callable[[Observation, Observation], Observation]

    def draw(self, target: Transition, *, key: Key[Array, ""]) -> SourceTransitions:
        """As many steps as a batch of the target has, uniformly, observed as the target is.

        What the source does not observe, such as the goal, is taken from the batch: a place in the
        source stands for one in the target, whatever is sought there.
        """
        indices = jax.random.randint(key, target.cost.shape, 0, self.steps.size)
        drawn = jax.tree.map(lambda leaf: leaf[indices], self.steps)
        complete = jax.vmap(self.completed)
        return eqx.tree_at(
            lambda steps: (steps.observation, steps.next_observation),
            drawn,
            (
                complete(drawn.observation, target.observation),
                complete(drawn.next_observation, target.next_observation),
            ),
        )
