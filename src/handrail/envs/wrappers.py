"""Compiled environments with another reward, or observed otherwise."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import AbstractEnvironment, AbstractFiniteEnvironment, ActionSpace

Reward = Callable[[PyTree, Action, Timestep], Float[Array, ""]]
"""`reward(state, action, timestep)`: the state before the step, and what came of it."""


class Rewarded(AbstractEnvironment):
    """`inner` with the reward that a function gives in place of its own."""

    inner: AbstractEnvironment
    reward: Reward
    actions: ActionSpace
    episode_length: int = eqx.field(static=True)

    def __init__(self, inner: AbstractEnvironment, reward: Reward):
        self.inner, self.reward, self.actions = inner, reward, inner.actions
        self.episode_length = inner.episode_length

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        return self.inner.reset(key=key)

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        after, timestep = self.inner.step(state, action, key=key)
        reward = jnp.asarray(self.reward(state, action, timestep))
        return after, dataclasses.replace(timestep, reward=reward)


def no_reward(state: PyTree, action: Action, timestep: Timestep) -> Float[Array, ""]:
    """0: the learner maximises entropy alone (the ablation MAXENT of arXiv:2307.14316)."""
    return jnp.zeros_like(timestep.reward)


def minus_cost(state: PyTree, action: Action, timestep: Timestep) -> Float[Array, ""]:
    """What the step cost, times −1: the learner avoids harm, and earns nothing else."""
    return -jnp.asarray(timestep.cost, jnp.float32)


class RewardedBySight(AbstractEnvironment):
    """`inner` with a reward of what was observed: `reward(observation, action, timestep)`, where
    the action was taken in the observation, and the timestep is what came of it.

    Where the own reward is not finite this one is NaN, so that it is still found.
    """

    inner: AbstractEnvironment
    reward: Callable[[Observation, Action, Timestep], Any]
    actions: ActionSpace
    episode_length: int = eqx.field(static=True)

    def __init__(
        self,
        inner: AbstractEnvironment,
        reward: Callable[[Observation, Action, Timestep], Any],
    ):
        self.inner, self.reward, self.actions = inner, reward, inner.actions
        self.episode_length = inner.episode_length

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        state, observation = self.inner.reset(key=key)
        return (state, observation), observation

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        before, seen = state
        after, timestep = self.inner.step(before, action, key=key)
        given = jnp.asarray(self.reward(seen, action, timestep), jnp.float32)
        reward = jnp.where(jnp.isfinite(timestep.reward), given, jnp.nan)
        return (after, timestep.observation), dataclasses.replace(timestep, reward=reward)


class RewardTable(eqx.Module):
    """The reward `rewards[row, action]` of an environment whose observations are rows of a table.

    The prior is learnt on pseudo-rewards, which depend on frozen source networks alone and so
    are known in advance for every row (arXiv:1909.04307).
    """

    rewards: Float[Array, "rows actions"]

    @staticmethod
    def of(
        environment: AbstractFiniteEnvironment, rewards: Float[Array, "rows actions"]
    ) -> "RewardTable":
        """Raises `HandrailError` unless there is a reward for every row and action."""
        expected = (environment.observations.frames.shape[0], environment.actions.n)
        if rewards.shape != expected:
            raise HandrailError(
                f"rewards have shape {rewards.shape}: expected {expected}, rows by actions"
            )
        return RewardTable(rewards)

    def __call__(self, state: PyTree, action: Action, timestep: Timestep) -> Float[Array, ""]:
        return self.rewards[state.row, action]


class ZeroFilled(AbstractEnvironment):
    """`inner` observed with more parts, which are zeros: a source seen like its target.

    The source has no goal, so its goal lidar reads what a lidar reads of nothing, 0.
    """

    inner: AbstractEnvironment
    parts: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)
    actions: ActionSpace
    episode_length: int = eqx.field(static=True)

    def __init__(self, inner: AbstractEnvironment, parts: Mapping[str, tuple[int, ...]]):
        """`parts` are the names and shapes of all parts to be observed."""
        self.inner, self.actions = inner, inner.actions
        self.episode_length = inner.episode_length
        self.parts = tuple(parts.items())

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        state, observation = self.inner.reset(key=key)
        return state, self._filled(observation)

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        after, timestep = self.inner.step(state, action, key=key)
        filled = self._filled(timestep.observation)
        return after, dataclasses.replace(timestep, observation=filled)

    def _filled(self, observation: dict[str, Any]) -> dict[str, Array]:
        return {
            name: observation[name] if name in observation else jnp.zeros(shape)
            for name, shape in self.parts
        }
