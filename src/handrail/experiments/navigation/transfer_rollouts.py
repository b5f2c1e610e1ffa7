"""Whole episodes of a guide in a source or target task, as arrays, for measurement alone.

In every episode an explorer acts for a number of steps first (none, for episodes of the guide's
own), then the guide to the end: that is how a student hands over. Here on compiled physics, in
`transfer_host` on the host, with one `decide` for both.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.envs.base import AbstractEnvironment, action_size
from handrail.envs.transfer import AbstractView
from handrail.learners.sac_networks import OnVectors, Sampled, observation_vector
from handrail.methods.sagui.guide import GuideNetworks
from handrail.rng import stream
from handrail.types import Action, Observation

HOLD = 20  # steps for which the explorer keeps an action: it covers ground, unlike white noise


class Controller(eqx.Module):
    """A guide as its *source* sees the world: how it acts, and the cost that it foresees.

    `act(observation, key)` is an action; `cost(observation, action)` the discounted sum of costs
    from that action on, the guide going on from it.
    """

    act: Callable[[Observation, Key[Array, ""]], Action]
    cost: Callable[[Observation, Action], Float[Array, ""]]

    @staticmethod
    def of(networks: GuideNetworks) -> "Controller":
        """A trained guide."""
        return Controller(_Acts(Sampled(OnVectors(networks.actor))), networks.critics.cost)


class _Acts(eqx.Module):
    policy: Sampled

    def __call__(self, observation: Observation, key: Key[Array, ""]) -> Action:
        return self.policy(observation, key)[0]


@dataclasses.dataclass(frozen=True)
class Episodes:
    """Episodes side by side; what lies beyond the end of one (`running` false) means nothing.

    Costs are per step, undiscounted: that of the action taken at the step.
    """

    views: Float[np.ndarray, "episodes steps view"]  # what the guide sees before it acts
    costs: Float[np.ndarray, "episodes steps"]
    foreseen: Float[np.ndarray, "episodes steps"]  # by the guide for the action taken, discounted
    foreseen_random: Float[np.ndarray, "episodes steps"]  # and for a random action in its place
    running: Bool[np.ndarray, "episodes steps"]
    terminated: Bool[np.ndarray, " episodes"]  # by the task itself, not by its time limit
    handed_over: Int[np.ndarray, " episodes"]  # the first step of the guide

    @property
    def totals(self) -> np.ndarray:
        """Undiscounted cost of every episode."""
        return np.where(self.running, self.costs, 0).sum(axis=1, dtype=np.float64)

    @property
    def lengths(self) -> np.ndarray:
        """Steps of every episode."""
        return self.running.sum(axis=1)


class Decided(NamedTuple):
    """One step of an episode before it is taken."""

    view: Float[Array, " view"]  # what the guide sees
    action: Float[Array, " a"]
    foreseen: Float[Array, ""]
    foreseen_random: Float[Array, ""]


def decide(
    controller: Controller,
    view: AbstractView,
    observation: Observation,
    index: Int[Array, ""],
    begins: Int[Array, ""],
    *,
    actions: int,
    key: Key[Array, ""],
) -> Decided:
    """What is done at step `index` of the episode with this key, and what the guide makes of it.

    Before step `begins` the explorer acts; actions are `actions` numbers in [−1, 1].
    """

    def uniform(name: str, counter: Int[Array, ""]) -> Float[Array, " a"]:
        return jax.random.uniform(stream(key, name, counter), (actions,), minval=-1, maxval=1)

    seen = view(observation)
    guided = controller.act(seen, stream(key, "act", index))
    action = jnp.where(index < begins, uniform("explore", index // HOLD), guided)
    return Decided(
        view=observation_vector(seen),
        action=action,
        foreseen=controller.cost(seen, action),
        foreseen_random=controller.cost(seen, uniform("compare", index)),
    )


def roll(
    environment: AbstractEnvironment,
    controller: Controller,
    view: AbstractView,
    handed_over: np.ndarray,
    *,
    key: Key[Array, ""],
) -> Episodes:
    """One episode for each entry of `handed_over`, all at once, on compiled physics."""
    keys = jax.random.split(key, len(handed_over))
    arrays = _roll(environment, controller, view, jnp.asarray(handed_over, jnp.int32), keys)
    *rows, terminated = (np.asarray(array) for array in arrays)
    views, costs, foreseen, foreseen_random, running = rows
    return Episodes(
        views, costs, foreseen, foreseen_random, running,
        terminated=terminated, handed_over=np.asarray(handed_over),
    )  # fmt: skip


@eqx.filter_jit
def _roll(environment, controller, view, handed_over, keys):
    size = action_size(environment.actions)

    def episode(begins: Int[Array, ""], key: Key[Array, ""]):
        start = environment.reset(key=stream(key, "reset"))

        def step(carry: Any, index: Int[Array, ""]):
            world, observation, running, terminated = carry
            decided = decide(controller, view, observation, index, begins, actions=size, key=key)
            world, timestep = environment.step(
                world, decided.action, key=stream(key, "step", index)
            )
            row = (
                decided.view, timestep.cost, decided.foreseen, decided.foreseen_random, running,
            )  # fmt: skip
            terminated |= running & timestep.terminated
            running &= ~(timestep.terminated | timestep.truncated)
            return (world, timestep.observation, running, terminated), row

        carry = (*start, jnp.array(True), jnp.array(False))
        (*_, terminated), rows = jax.lax.scan(step, carry, jnp.arange(environment.episode_length))
        return *rows, terminated

    return jax.vmap(episode)(handed_over, keys)
