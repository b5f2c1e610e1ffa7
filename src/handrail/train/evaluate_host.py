"""Evaluation of a policy in an environment on the host: `run_greedily`, episode by episode."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from handrail.envs.host import AbstractHostEnvironment
from handrail.learners.host_policy import HostPolicy
from handrail.learners.sac_networks import OnVectors
from handrail.rng import stream
from handrail.train.evaluate import Evaluation

_AHEAD = 500  # steps for which noise and keys are drawn at once


def run_policy_on_host(
    environment: AbstractHostEnvironment, policy: OnVectors, *, episodes: int, key: Key[Array, ""]
) -> Evaluation:
    """Whole episodes of a policy's random actions, without interventions.

    On the same key the draws are those that `run_greedily` makes for an agent that samples its
    policy (`SacAgent`). The policy is evaluated in NumPy. The episode that the environment was
    in is lost: give it one of its own.
    """
    acting = HostPolicy(policy)
    done = [_episode(environment, acting, one) for one in jax.random.split(key, episodes)]
    returns, costs, lengths = zip(*done, strict=True)
    return Evaluation(
        jnp.array(returns, jnp.float32),
        jnp.array(costs, jnp.float32),
        jnp.array(lengths, jnp.int32),
    )


def _episode(environment: AbstractHostEnvironment, policy: HostPolicy, key: Key[Array, ""]):
    observation = environment.reset(key=stream(key, "reset"))
    total = cost = 0.0
    for index, (noise, step_key) in enumerate(_draws(key, policy.actions)):
        timestep = environment.step(policy.act(observation, noise), key=step_key)
        total, cost = total + float(timestep.reward), cost + float(timestep.cost)
        if timestep.terminated or timestep.truncated:
            return total, cost, index + 1
        observation = timestep.observation


def _draws(key: Key[Array, ""], actions: int) -> Iterator[tuple[np.ndarray, Key[Array, ""]]]:
    """Noise and the environment's key of every step of an episode, without end."""
    begin = 0
    while True:
        noise, keys = _ahead(key, begin, actions)
        yield from zip(np.asarray(noise), keys, strict=True)
        begin += _AHEAD


@functools.partial(jax.jit, static_argnames="actions")
def _ahead(
    key: Key[Array, ""], begin: int | Int[Array, ""], actions: int
) -> tuple[Float[Array, "steps actions"], Key[Array, " steps"]]:
    indices = begin + jnp.arange(_AHEAD)
    noise = jax.vmap(lambda index: jax.random.normal(stream(key, "act", index), (actions,)))
    return noise(indices), jax.vmap(lambda index: stream(key, "step", index))(indices)
