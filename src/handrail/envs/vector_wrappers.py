"""Several host environments side by side, with another reward."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.envs.host import AbstractHostEnvironment, HostTimestep
from handrail.envs.host_wrappers import HostRewarded, RewardFn
from handrail.envs.vector_host import AbstractVectorHost


def rewarded(
    host: AbstractHostEnvironment | AbstractVectorHost, reward: RewardFn
) -> "HostRewarded | VectorRewarded":
    """The environment, or every copy of it, with the reward that a function gives."""
    if isinstance(host, AbstractVectorHost):
        return VectorRewarded(host, reward)
    return HostRewarded(host, reward)


class VectorRewarded(AbstractVectorHost):
    """`inner` with the reward that a function gives, called for one copy at a time."""

    def __init__(self, inner: AbstractVectorHost, reward: RewardFn):
        self.inner, self.actions, self.copies = inner, inner.actions, inner.copies
        self.constraints, self.steps_draw = inner.constraints, inner.steps_draw
        self.agent_form = inner.agent_form
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


def copy_of(tree: Any, copy: int) -> Any:
    """What is one copy's of a tree with a leading axis of copies."""
    return jax.tree.map(lambda leaf: leaf[copy], tree)
