"""What a guide prevents: random driving under its guard, before there is any student."""

import itertools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.navigation.problems import navigation_problem
from handrail.experiments.navigation.environments import AnyEnvironment
from handrail.experiments.navigation.guide import Guide
from handrail.learners.sac_networks import Sampled
from handrail.rng import stream
from handrail.train.evaluate_host import run_on_host
from handrail.types import Observation

GUARD = 2.0
"""Discounted cost that is foreseen of a random action before the guide takes over in the test."""
STEPS = 400
"""Of an episode of the test."""
EPISODES = 3
"""Of the test, for each that a guide is evaluated with: it is about rare events."""
HELD = 30
"""Steps for which a random action is held: the robot gets up to speed."""


class Guarded(NamedTuple):
    """Means over episodes of random driving under a guide's guard."""

    cost: float
    """Undiscounted, per episode of `STEPS` steps."""
    share: float
    """Of the steps, how many the guide took over."""


def guarded_source(name: str) -> AnyEnvironment:
    """The task's source, where the test takes place: nothing ends at its borders."""
    return navigation_problem(name, source_length=STEPS, outside="open").source


def drive_guarded(
    environment: AnyEnvironment, guide: Guide, *, episodes: int, key: Key[Array, ""]
) -> Guarded:
    """How random driving fares if the guide acts where it foresees more than `GUARD`.

    Both of a guide's tasks are tried at once: to know which action is too much, and to avert what
    was about to happen. An environment on the host loses the episode that it is in.
    """
    if isinstance(environment, AbstractHostEnvironment):
        costs, shares = _on_host(environment, guide, episodes, key)
    else:
        costs, shares = drive_compiled(environment, guide, episodes, key)
    return Guarded(float(np.mean(costs)), float(np.mean(shares)))


def _decided(
    guide: Guide, observation: Observation, index: Int[Array, ""], key: Key[Array, ""]
) -> tuple[Float[Array, " a"], Bool[Array, ""]]:
    """What is done in a step, and whether the guide does it."""
    averted, _ = Sampled(guide.distribution)(observation, stream(key, "averted", index))
    held = stream(key, "held", index // HELD)
    proposed = jax.random.uniform(held, averted.shape, minval=-1, maxval=1)
    takes_over = guide.cost(observation, proposed) > GUARD
    return jnp.where(takes_over, averted, proposed), takes_over


_decided_at_once = eqx.filter_jit(_decided)


def _on_host(environment: AbstractHostEnvironment, guide: Guide, episodes: int, key: Any):
    taken_over = []

    def begin(own: Key[Array, ""]):
        count = itertools.count()

        def act(observation: Observation):
            action, takes_over = _decided_at_once(guide, observation, jnp.int32(next(count)), own)
            taken_over.append(bool(takes_over))
            return np.asarray(action)

        return act

    evaluation = run_on_host(environment, begin, episodes=episodes, key=key)
    return evaluation.costs, taken_over


@eqx.filter_jit
def drive_compiled(
    environment: AbstractEnvironment, guide: Guide, episodes: int, key: Key[Array, ""]
) -> tuple[Float[Array, " episodes"], Float[Array, " episodes"]]:
    """Cost and share of each episode of `drive_guarded`, in a compiled environment."""

    def episode(own: Key[Array, ""]):
        world, observation = environment.reset(key=stream(own, "reset"))

        def step(carry, index):
            world, observation, running = carry
            action, takes_over = _decided(guide, observation, index, own)
            world, timestep = environment.step(world, action, key=stream(own, "step", index))
            happened = jnp.stack([timestep.cost, takes_over, jnp.ones(())]) * running
            running &= ~(timestep.terminated | timestep.truncated)
            return (world, timestep.observation, running), happened

        start = (world, observation, jnp.array(True))
        _, happened = jax.lax.scan(step, start, jnp.arange(environment.episode_length))
        cost, taken_over, steps = happened.sum(axis=0)
        return cost, taken_over / steps

    return jax.vmap(episode)(jax.random.split(key, episodes))
