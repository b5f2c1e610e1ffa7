"""Which states harm follows within a few steps: known only once those steps are over."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from handrail.core.types import Transition
from handrail.replay.base import slots_for


class Waiting(eqx.Module):
    """The last observations of an episode, the oldest first, of which harm may still follow."""

    observations: Any  # leaves (steps, …)
    harmed: Bool[Array, " steps"]
    count: Int[Array, ""]  # how many are of this episode


class Judged(eqx.Module):
    """Observations of which it is known since this step what followed."""

    observations: Any  # leaves (steps, …), the oldest first
    unsafe: Bool[Array, " steps"]
    safe: Bool[Array, ""]  # the oldest


class Foresight(eqx.Module):
    """An observation is unsafe if one of the `steps` steps from it on had a cost.

    With 1 it is the state just before harm, as in arXiv:2503.10318; a robot that has to brake is
    beyond rescue there. Of the last `steps − 1` observations of an episode those are left out that
    no harm followed: nobody knows what would have.
    """

    steps: int = eqx.field(static=True)

    def init(self, example: Any) -> Waiting:
        """Nothing is waiting; `example` is an observation."""
        empty = slots_for(example, self.steps)
        return Waiting(empty, jnp.zeros(self.steps, bool), jnp.zeros((), jnp.int32))

    def __call__(self, waiting: Waiting, transition: Transition) -> tuple[Waiting, Judged]:
        """After a step: what waits now, and what need not any longer."""

        def pushed(kept: Array, new: Any) -> Array:
            return jnp.concatenate([kept[1:], jnp.asarray(new, kept.dtype)[None]])

        costly = (transition.cost > 0) | ~jnp.isfinite(transition.cost)
        observations = jax.tree.map(pushed, waiting.observations, transition.observation)
        harmed = pushed(waiting.harmed, False) | costly
        count = jnp.minimum(waiting.count + 1, self.steps)
        ended, places = transition.terminated | transition.truncated, jnp.arange(self.steps)
        due = jnp.where(ended, places >= self.steps - count, (places == 0) & (count == self.steps))
        judged = Judged(observations, due & harmed, (count == self.steps) & ~harmed[0])
        return Waiting(observations, harmed, jnp.where(ended, 0, count)), judged
