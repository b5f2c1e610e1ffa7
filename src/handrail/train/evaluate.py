"""Evaluation of what has been learnt, without exploration and without intervention."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.core.rng import stream
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHost
from handrail.learners.base import AbstractAgent
from handrail.learners.sac.host_policy import HostPolicy
from handrail.learners.sac.networks import OnVectors
from handrail.train.rollout.base import Episodes, Greedy
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Act, ByHand
from handrail.train.rollout.host import rollout_on_host
from handrail.train.rollout.seats import AHEAD, chained


@eqx.filter_jit
def evaluate(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    state: PyTree,
    *,
    episodes: int,
    key: Key[Array, ""],
) -> Episodes:
    """Runs the greedy policy of an agent's state for whole episodes, all at once."""
    policy_snapshot = agent.prepare(state, key=stream(key, "prepare"))
    return run_greedily(environment, agent, policy_snapshot, episodes=episodes, key=key)


@eqx.filter_jit
def run_greedily(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    policy_snapshot: Any,
    *,
    episodes: int,
    key: Key[Array, ""],
) -> Episodes:
    """Like `evaluate`, from what the agent has already prepared."""
    return rollout(
        environment, Greedy(agent, policy_snapshot), keys=jax.random.split(key, episodes)
    )


def evaluate_on_host(
    environment: AbstractHost,
    acting: Callable[[Key[Array, ""]], Act],
    *,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Episodes:
    """Whole episodes on the host, each cut off after `longest` steps.

    `acting(key)` gives what acts in an episode (`sampled`, or a function that ignores the key).
    The episode that the environment was in is lost: give it one of its own.
    """
    keys = jax.random.split(key, episodes)
    return rollout_on_host(environment, ByHand(acting), keys=keys, longest=longest)


def sampled(policy: OnVectors) -> Callable[[Key[Array, ""]], Act]:
    """Random actions of a policy, evaluated in NumPy.

    On the same key the draws are those that `run_greedily` makes for an agent that samples its
    policy (`SacAgent`).
    """
    acting = HostPolicy(policy)

    def begin(key: Key[Array, ""]) -> Act:
        noise = chained(lambda first: np.asarray(_noise(key, first, acting.actions)))
        return lambda observation: acting.act(observation, next(noise))

    return begin


@functools.partial(jax.jit, static_argnames="actions")
def _noise(
    key: Key[Array, ""], first: int | Int[Array, ""], actions: int
) -> Float[Array, "steps actions"]:
    draw = jax.vmap(lambda index: jax.random.normal(stream(key, "act", index), (actions,)))
    return draw(first + jnp.arange(AHEAD))
