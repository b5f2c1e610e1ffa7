"""Host environments with another reward: what a guide or a prior learns from."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.gymnasium_host import GymnasiumHost
from handrail.envs.host import AbstractHostEnvironment
from handrail.errors import HandrailError
from handrail.types import Timestep

BonusFn = Callable[[Any, np.ndarray, Any], float]
"""`bonus(observation, action, next_observation)`, as an agent has them: float32, [−1, 1]."""
RewardFn = Callable[[Any, np.ndarray, Timestep], float]


class Rewarded(AbstractHostEnvironment):
    """`host` with the reward that `reward(observation, action, timestep)` gives."""

    def __init__(self, host: GymnasiumHost, reward: RewardFn):
        self.host, self.actions, self.reward = host, host.actions, reward
        self._observation: Any = None

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._observation = self.host.reset(key=key)
        return self._observation

    def step(self, action: np.ndarray | np.generic | Array, *, key: Key[Array, ""]) -> Timestep:
        timestep = self.host.step(action, key=key)
        reward = float(self.reward(self._observation, np.asarray(action), timestep))
        if not np.isfinite(reward):
            raise HandrailError(f"{self.host.name}: bonus is {reward}; expected a finite number")
        self._observation = timestep.observation
        return dataclasses.replace(timestep, reward=np.float32(reward))

    def snapshot(self) -> dict[str, np.ndarray] | None:
        return self.host.snapshot()

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        self._observation = self.host.restore(snapshot)
        return self._observation


def with_bonus(host: GymnasiumHost, bonus: BonusFn | str | None) -> Rewarded:
    """The source of a guide: the task's reward gives way to a bonus for getting around.

    A function, the name of an observation's part whose displacement (its length) is the bonus,
    or None: then the policy's entropy alone is rewarded (MAXENT of arXiv:2307.14316).
    """
    if bonus is None:
        return Rewarded(host, lambda observation, action, timestep: 0.0)
    if not isinstance(bonus, str):
        return Rewarded(
            host, lambda observation, action, timestep: bonus(
                observation, action, timestep.observation
            ),
        )  # fmt: skip
    example = host.observation_zeros()
    if not isinstance(example, Mapping) or bonus not in example:
        known = ", ".join(sorted(example)) if isinstance(example, Mapping) else "no named parts"
        raise HandrailError(
            f"bonus={bonus!r} names no part of the observation, which has {known}; expected a part "
            "whose displacement is rewarded, a function (obs, action, next_obs) -> number, or None"
        )

    def moved(observation: Any, action: np.ndarray, timestep: Timestep) -> float:
        change: Any = timestep.observation
        return float(np.linalg.norm(change[bonus] - observation[bonus]))

    return Rewarded(host, moved)
