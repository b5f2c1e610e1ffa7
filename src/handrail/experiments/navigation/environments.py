"""Environments made of others: without reward, with parts that are zeros, or side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.envs.base import AbstractEnvironment, ActionSpace
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.host_copies import HostCopies
from handrail.envs.host_wrappers import HostRewarded, HostZeroFilled
from handrail.types import Action, Observation, Timestep

AnyEnvironment = AbstractEnvironment | AbstractHostEnvironment


def side_by_side(
    first: AnyEnvironment, another: Callable[[], AnyEnvironment], copies: int
) -> AnyEnvironment | HostCopies:
    """The first by itself or, of more than one on the host, as many, stepped together."""
    if copies == 1:
        return first
    hosts: list[Any] = [first, *(another() for _ in range(1, copies))]
    assert all(isinstance(host, AbstractHostEnvironment) for host in hosts)  # see `check_copies`
    return HostCopies(hosts)


def unrewarded(environment: AnyEnvironment) -> AnyEnvironment:
    """The environment with rewards of 0, compiled or on the host."""
    if isinstance(environment, AbstractHostEnvironment):
        return HostRewarded(environment, lambda observation, action, timestep: 0.0)
    return Unrewarded(environment)


def zero_filled(
    environment: AnyEnvironment, parts: Mapping[str, tuple[int, ...]]
) -> AnyEnvironment:
    """The environment observed with these parts, those that it lacks being zeros."""
    if isinstance(environment, AbstractHostEnvironment):
        return HostZeroFilled(environment, parts)
    return ZeroFilled(environment, parts)


class Unrewarded(AbstractEnvironment):
    """`inner` with rewards of 0: its learner maximises entropy alone (the ablation MAXENT)."""

    inner: AbstractEnvironment
    actions: ActionSpace
    episode_length: int = eqx.field(static=True)

    def __init__(self, inner: AbstractEnvironment):
        self.inner, self.actions = inner, inner.actions
        self.episode_length = inner.episode_length

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        return self.inner.reset(key=key)

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        after, timestep = self.inner.step(state, action, key=key)
        return after, eqx.tree_at(lambda t: t.reward, timestep, jnp.zeros_like(timestep.reward))


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
        return after, Timestep(
            filled, timestep.reward, timestep.cost, timestep.terminated, timestep.truncated
        )

    def _filled(self, observation: dict[str, Any]) -> dict[str, Array]:
        return {
            name: observation[name] if name in observation else jnp.zeros(shape)
            for name, shape in self.parts
        }
