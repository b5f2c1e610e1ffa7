"""Evaluation in several environments side by side, as many episodes at a time."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from handrail.envs.base import zero_action
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.envs.vector_wrappers import copy_of
from handrail.rng import stream
from handrail.train.evaluate import Evaluation
from handrail.train.evaluate_host import Act, evaluation_of, run_on_host


def run_episodes(
    environment: AbstractHostEnvironment | AbstractVectorHost,
    begin: Callable[[Key[Array, ""]], Act],
    *,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Evaluation:
    """`run_on_host`, in a single environment or in several side by side.

    Of n side by side, the i-th takes the episodes i, i + n, i + 2 n, …: each begins with the key
    that it would have in a single environment. A copy that has ended before the others waits for
    them with actions of zeros, which count for nothing.
    """
    if not isinstance(environment, AbstractVectorHost):
        return run_on_host(environment, begin, episodes=episodes, longest=longest, key=key)
    keys = jax.random.split(key, episodes)
    rounds = [
        _round(environment, begin, keys[first : first + environment.copies], longest)
        for first in range(0, episodes, environment.copies)
    ]
    return evaluation_of(np.concatenate(rounds, axis=1).T)


def _round(
    environment: AbstractVectorHost,
    begin: Callable[[Key[Array, ""]], Act],
    keys: Key[Array, " episodes"],
    longest: int | None,
) -> Float[np.ndarray, "sums episodes"]:
    """Return, cost, length and each of several costs of an episode in each of the first copies."""
    copies, count = environment.copies, len(keys)
    own = keys[jnp.arange(copies) % count]
    acts = [begin(one) for one in keys]
    zero = np.asarray(zero_action(environment.actions))
    sums = np.zeros((3 + len(environment.constraints), count))
    running = np.ones(count, np.bool_)
    observations = environment.reset(np.ones(copies, np.bool_), keys=_named(own, "reset"))
    for step in itertools.islice(itertools.count(), longest):
        actions = [
            acts[copy](copy_of(observations, copy)) if copy < count and running[copy] else zero
            for copy in range(copies)
        ]
        timestep = environment.step(np.stack(actions), keys=_named(own, "step", step))
        each = () if timestep.constraints is None else timestep.constraints.T
        happened = np.stack([timestep.reward, timestep.cost, np.ones(copies), *each])[:, :count]
        sums += np.where(running, happened, 0.0)
        ended = np.asarray(timestep.terminated | timestep.truncated)
        running &= ~ended[:count]
        if not running.any():
            break
        observations = timestep.observation
        if ended.any():  # what waits goes on in episodes that nobody looks at
            observations = environment.reset(ended, keys=_named(own, "wait", step))
    return sums


def _named(keys: Key[Array, " copies"], name: str, *counters: int) -> Key[Array, " copies"]:
    return jax.vmap(lambda key: stream(key, name, *counters))(keys)
