"""Host environments with another reward, or observed otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.host import AbstractHostEnvironment, HostTimestep

RewardFn = Callable[[Any, np.ndarray, HostTimestep], float]
"""`reward(observation, action, timestep)`: the observation acted on, and what came of it."""


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
