"""Host environments with another reward, or observed otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.envs.host import AbstractHost, AbstractHostEnvironment, HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, copy_of

RewardFn = Callable[[Any, np.ndarray, HostTimestep], float]
"""`reward(observation, action, timestep)`: the observation acted on, and what came of it."""


def rewarded(host: AbstractHost, reward: RewardFn) -> "HostRewarded | VectorRewarded":
    """The environment, or every copy of it, with the reward that a function gives."""
    return (VectorRewarded if isinstance(host, AbstractVectorHost) else HostRewarded)(host, reward)


class AbstractWrapped(AbstractHost):
    """What is `inner`'s as long as nothing else is said."""

    def __init__(self, inner: Any):
        self.inner, self.actions = inner, inner.actions
        self.constraints, self.steps_draw = inner.constraints, inner.steps_draw
        self.observation_space = getattr(inner, "observation_space", None)

    def agent_form(self, action: Any) -> Any:
        return self.inner.agent_form(action)

    def observation_zeros(self) -> Any:
        return self.inner.observation_zeros()

    def snapshot(self) -> dict[str, np.ndarray] | None:
        return self.inner.snapshot()


class AbstractRewarded(AbstractWrapped):
    """`inner` with the reward that a function gives in place of its own."""

    def __init__(self, inner: Any, reward: RewardFn):
        super().__init__(inner)
        self._reward = reward
        self._observed: Any = None

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        self._observed = self.inner.restore(snapshot)
        return self._observed


class HostRewarded(AbstractRewarded, AbstractHostEnvironment):
    """Of one environment."""

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._observed = self.inner.reset(key=key)
        return self._observed

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        timestep = self.inner.step(action, key=key)
        reward = self._reward(self._observed, np.asarray(action), timestep)
        self._observed = timestep.observation
        return timestep._replace(reward=np.float32(reward))


class VectorRewarded(AbstractRewarded, AbstractVectorHost):
    """Of several; the function is called for one copy at a time."""

    def __init__(self, inner: Any, reward: RewardFn):
        super().__init__(inner, reward)
        self.copies = inner.copies

    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        self._observed = self.inner.reset(which, keys=keys)
        return self._observed

    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        timesteps = self.inner.step(actions, keys=keys)
        rewards = [
            self._reward(copy_of(self._observed, copy), actions[copy], copy_of(timesteps, copy))
            for copy in range(self.copies)
        ]
        self._observed = timesteps.observation
        return timesteps._replace(reward=np.array(rewards, np.float32))


class HostZeroFilled(AbstractWrapped, AbstractHostEnvironment):
    """`inner` observed with the named `parts`, those that it lacks being zeros."""

    def __init__(self, inner: AbstractHostEnvironment, parts: Mapping[str, tuple[int, ...]]):
        from gymnasium.spaces import Box, Dict

        super().__init__(inner)
        self._zeros = {name: np.zeros(shape, np.float32) for name, shape in parts.items()}
        self.observation_space = Dict(
            {name: Box(-np.inf, np.inf, shape, np.float32) for name, shape in parts.items()}
        )

    def observation_zeros(self) -> Any:
        return self._zeros

    def reset(self, *, key: Key[Array, ""]) -> Any:
        return self._zeros | self.inner.reset(key=key)

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        timestep = self.inner.step(action, key=key)
        return timestep._replace(observation=self._zeros | timestep.observation)

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        return self._zeros | self.inner.restore(snapshot)
