"""Whole episodes of a policy in an environment on the host, without learning or intervention."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Key

from handrail.envs.host import AbstractHostEnvironment
from handrail.rng import stream
from handrail.train.evaluate import Evaluation

Act = Callable[[Any, Any, Any], Any]
"""`act(policy, observation, key)`, compiled: an action."""


def try_on_host(
    environment: AbstractHostEnvironment,
    act: Act,
    policy: Any,
    *,
    episodes: int,
    longest: int,
    key: Key[jax.Array, ""],
) -> Evaluation:
    """Undiscounted sums over `episodes` episodes, each cut off after `longest` steps."""
    sums = np.zeros((episodes, 3))
    for episode in range(episodes):
        observation = environment.reset(key=stream(key, "reset", episode))
        for step in range(longest):
            action = act(policy, observation, stream(key, "act", episode, step))
            timestep = environment.step(np.asarray(action), key=stream(key, "step", episode, step))
            sums[episode] += timestep.reward, timestep.cost, 1
            observation = timestep.observation
            if timestep.terminated or timestep.truncated:
                break
    returns, costs, lengths = sums.T
    return Evaluation(
        jax.numpy.asarray(returns, "float32"),
        jax.numpy.asarray(costs, "float32"),
        jax.numpy.asarray(lengths, "int32"),
    )
