"""Evaluation of what has been learnt, without exploration and without intervention."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.envs.base import AbstractEnvironment
from handrail.learners.base import AbstractAgent
from handrail.rng import stream


class Evaluation(eqx.Module):
    """Undiscounted sums over whole episodes."""

    returns: Float[Array, " episodes"]
    costs: Float[Array, " episodes"]
    lengths: Int[Array, " episodes"]
    constraints: Float[Array, "episodes constraints"] | None = None  # of several costs, each


@eqx.filter_jit
def evaluate(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    state: PyTree,
    *,
    episodes: int,
    key: Key[Array, ""],
) -> Evaluation:
    """Runs the greedy policy of an agent's state for whole episodes, all at once."""
    prepared = agent.prepare(state, key=stream(key, "prepare"))
    return run_greedily(environment, agent, prepared, episodes=episodes, key=key)


@eqx.filter_jit
def run_greedily(
    environment: AbstractEnvironment,
    agent: AbstractAgent,
    prepared: Any,
    *,
    episodes: int,
    key: Key[Array, ""],
) -> Evaluation:
    """Like `evaluate`, from what the agent has already prepared."""

    def episode(key):
        start, observation = environment.reset(key=stream(key, "reset"))

        def step(carry, index):
            world, observation, running, total, cost, length = carry
            action = agent.greedy(prepared, observation, key=stream(key, "act", index))
            world, timestep = environment.step(world, action, key=stream(key, "step", index))
            total += jnp.where(running, timestep.reward, 0.0)
            cost += jnp.where(running, timestep.cost, 0.0)
            length += running.astype(jnp.int32)
            running &= ~(timestep.terminated | timestep.truncated)
            return (world, timestep.observation, running, total, cost, length), None

        zero = jnp.float32(0)
        carry = (start, observation, jnp.array(True), zero, zero, jnp.int32(0))
        steps = jnp.arange(environment.episode_length)
        (*_, total, cost, length), _ = jax.lax.scan(step, carry, steps)
        return total, cost, length

    return Evaluation(*jax.vmap(episode)(jax.random.split(key, episodes)))
