"""Acts at random and learns nothing: for sources in which a representation is learnt."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Action, Observation, Transition
from handrail.learners.base import AbstractAgent, Clock, Proposal


class Wanderer(AbstractAgent):
    """Uniformly random actions in [−1, 1]ⁿ, each held for `repeat` steps.

    Held, since a robot that is given white noise stays where it is.
    """

    actions: int = eqx.field(static=True)  # numbers in an action
    key: Key[Array, ""]
    repeat: int = eqx.field(default=30, static=True)
    train_every: int = eqx.field(default=100, static=True)
    learning_starts: int = eqx.field(default=0, static=True)
    metrics: tuple[str, ...] = eqx.field(default=(), static=True)

    def init(self, example: Transition, *, key: Key[Array, ""]) -> PyTree:
        return ()

    def prepare(self, state: PyTree, *, key: Key[Array, ""]) -> Any:
        return ()

    def propose(
        self, policy_snapshot: Any, observation: Observation, clock: Clock, *, key: Key[Array, ""]
    ) -> Proposal:
        held = stream(self.key, "held", clock.step // self.repeat)
        return Proposal(jax.random.uniform(held, (self.actions,), minval=-1, maxval=1), {})

    def evaluation_action(
        self, policy_snapshot: Any, observation: Observation, *, key: Key[Array, ""]
    ) -> Action:
        return jax.random.uniform(key, (self.actions,), minval=-1, maxval=1)

    def observe(self, state: PyTree, transition: Transition, clock: Clock) -> PyTree:
        return state

    def learn(
        self, state: PyTree, policy_snapshot: Any, clock: Clock, *, key: Key[Array, ""]
    ) -> tuple[PyTree, dict[str, Float[Array, ""]]]:
        return state, {}
