"""Host environments with another reward, or observed otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.envs.host import AbstractHostEnvironment, HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, copy_of

RewardFn = Callable[[Any, np.ndarray, HostTimestep], float]
"""`reward(observation, action, timestep)`: the observation acted on, and what came of it."""


def rewarded(
    host: AbstractHostEnvironment | AbstractVectorHost, reward: RewardFn
) -> "HostRewarded | VectorRewarded":
    """The environment, or every copy of it, with the reward that a function gives."""
    if isinstance(host, AbstractVectorHost):
        return VectorRewarded(host, reward)
    return HostRewarded(host, reward)


class HostRewarded(AbstractHostEnvironment):
    """`inner` with the reward that a function gives in place of its own."""

    def __init__(self, inner: AbstractHostEnvironment, reward: RewardFn):
        self.inner, self.actions, self._reward = inner, inner.actions, reward
        self.constraints, self.steps_draw = inner.constraints, inner.steps_draw
        self.agent_form = inner.agent_form
        self.observation_space = getattr(inner, "observation_space", None)
        self._observation: Any = None

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._observation = self.inner.reset(key=key)
        return self._observation

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        timestep = self.inner.step(action, key=key)
        reward = self._reward(self._observation, np.asarray(action), timestep)
        self._observation = timestep.observation
        return timestep._replace(reward=np.float32(reward))

    def snapshot(self) -> dict[str, np.ndarray] | None:
        return self.inner.snapshot()

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        self._observation = self.inner.restore(snapshot)
        return self._observation


class VectorRewarded(AbstractVectorHost):
    """`inner` with the reward that a function gives, called for one copy at a time."""

    def __init__(self, inner: AbstractVectorHost, reward: RewardFn):
        self.inner, self.actions, self.copies = inner, inner.actions, inner.copies
        self.constraints, self.steps_draw = inner.constraints, inner.steps_draw
        self._reward = reward
        self._observations: Any = None

    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        self._observations = self.inner.reset(which, keys=keys)
        return self._observations

    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        timesteps = self.inner.step(actions, keys=keys)
        rewards = [
            self._reward(copy_of(self._observations, copy), actions[copy], copy_of(timesteps, copy))
            for copy in range(self.copies)
        ]
        self._observations = timesteps.observation
        reward: Any = np.array(rewards, np.float32)
        return timesteps._replace(reward=reward)

    def snapshot(self) -> dict[str, np.ndarray] | None:
        return self.inner.snapshot()

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        self._observations = self.inner.restore(snapshot)
        return self._observations


class HostZeroFilled(AbstractHostEnvironment):
    """`inner` observed with the named `parts`, those that it lacks being zeros."""

    def __init__(self, inner: AbstractHostEnvironment, parts: Mapping[str, tuple[int, ...]]):
        from gymnasium.spaces import Box, Dict

        self.inner, self.actions = inner, inner.actions
        self.constraints, self.steps_draw = inner.constraints, inner.steps_draw
        self.agent_form = inner.agent_form
        self._zeros = {name: np.zeros(shape, np.float32) for name, shape in parts.items()}
        self.observation_space = Dict(
            {name: Box(-np.inf, np.inf, shape, np.float32) for name, shape in parts.items()}
        )

    def reset(self, *, key: Key[Array, ""]) -> Any:
        return self._zeros | self.inner.reset(key=key)

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        timestep = self.inner.step(action, key=key)
        return timestep._replace(observation=self._zeros | timestep.observation)

    def snapshot(self) -> dict[str, np.ndarray] | None:
        return self.inner.snapshot()

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        return self._zeros | self.inner.restore(snapshot)
