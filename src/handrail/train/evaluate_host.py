"""Evaluation of a policy in an environment on the host: `run_greedily`, episode by episode."""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from handrail.envs.host import AbstractHostEnvironment
from handrail.learners.host_policy import HostPolicy
from handrail.learners.sac_networks import OnVectors
from handrail.rng import stream
from handrail.train.evaluate import Evaluation

Act = Callable[[Any], Any]
"""The action in an observation."""
_AHEAD = 500  # steps for which noise and keys are drawn at once


def run_on_host(
    environment: AbstractHostEnvironment,
    begin: Callable[[Key[Array, ""]], Act],
    *,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Evaluation:
    """Whole episodes without learning or interventions, each cut off after `longest` steps.

    `begin(key)` gives what acts in an episode (`sampled`, or a function that ignores the key).
    The episode that the environment was in is lost: give it one of its own.
    """
    keys = jax.random.split(key, episodes)
    done = [_episode(environment, begin(one), longest, one) for one in keys]
    return evaluation_of(np.array(done))


def evaluation_of(sums: Float[np.ndarray, "episodes sums"]) -> Evaluation:
    """Of a row for each episode: return, cost, length, and each of several costs."""
    returns, costs, lengths = sums[:, :3].T
    each = sums[:, 3:]
    return Evaluation(
        jnp.array(returns, jnp.float32),
        jnp.array(costs, jnp.float32),
        jnp.array(lengths, jnp.int32),
        jnp.array(each, jnp.float32) if each.size else None,
    )


def sampled(policy: OnVectors) -> Callable[[Key[Array, ""]], Act]:
    """Random actions of a policy, evaluated in NumPy.

    On the same key the draws are those that `run_greedily` makes for an agent that samples its
    policy (`SacAgent`).
    """
    acting = HostPolicy(policy)

    def begin(key: Key[Array, ""]) -> Act:
        noise = _chained(lambda first: np.asarray(_noise(key, first, acting.actions)))
        return lambda observation: acting.act(observation, next(noise))

    return begin


def _episode(environment: AbstractHostEnvironment, act: Act, longest: int | None, key):
    observation = environment.reset(key=stream(key, "reset"))
    sums = np.zeros(3 + len(environment.constraints))
    for step_key in itertools.islice(_chained(lambda first: _keys(key, first)), longest):
        timestep = environment.step(np.asarray(act(observation)), key=step_key)
        sums[:3] += float(timestep.reward), float(timestep.cost), 1
        if timestep.constraints is not None:
            sums[3:] += timestep.constraints
        if timestep.terminated or timestep.truncated:
            break
        observation = timestep.observation
    return sums


def _chained(drawn: Callable[[int], Any]) -> Iterator[Any]:
    """What is drawn for the steps from 0 on, without end."""
    return itertools.chain.from_iterable(map(drawn, itertools.count(0, _AHEAD)))


@functools.partial(jax.jit, static_argnames="actions")
def _noise(
    key: Key[Array, ""], first: int | Int[Array, ""], actions: int
) -> Float[Array, "steps actions"]:
    draw = jax.vmap(lambda index: jax.random.normal(stream(key, "act", index), (actions,)))
    return draw(first + jnp.arange(_AHEAD))


@jax.jit
def _keys(key: Key[Array, ""], first: int | Int[Array, ""]) -> Key[Array, " steps"]:
    return jax.vmap(lambda index: stream(key, "step", index))(first + jnp.arange(_AHEAD))
