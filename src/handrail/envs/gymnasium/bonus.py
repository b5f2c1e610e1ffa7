"""What a guide is rewarded with in a source of a user's own."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import Host
from handrail.envs.gymnasium.numbers import is_too_large, one_number
from handrail.envs.gymnasium.unsafe_starts import UnsafeStarts
from handrail.envs.host import HostTimestep
from handrail.envs.host_wrappers import HostRewarded, VectorRewarded, rewarded

BonusFn = Callable[[Any, np.ndarray, Any], float]
"""`bonus(observation, action, next_observation)`, as an agent has them: float32, [−1, 1]."""


def with_bonus(
    host: Host | UnsafeStarts, bonus: BonusFn | str | None
) -> HostRewarded | VectorRewarded:
    """The source of a guide: the task's reward gives way to a bonus for getting around.

    A function, the name of an observation's part whose displacement (its length) is the bonus,
    or None: then the policy's entropy alone is rewarded (MAXENT of arXiv:2307.14316).
    """
    if bonus is None:
        return rewarded(host, lambda observation, action, timestep: 0.0)
    if callable(bonus):

        def own(observation: Any, action: np.ndarray, timestep: HostTimestep) -> float:
            try:
                given = bonus(observation, action, timestep.observation)
            except Exception as error:
                raise HandrailError(
                    f"{host.name}: bonus raised {type(error).__name__}: {error}"
                ) from error
            reward = one_number(given)
            if reward is None or not np.isfinite(reward) or is_too_large(reward):
                raise HandrailError(f"{host.name}: bonus is {given!r}; expected a finite number")
            return reward

        return rewarded(host, own)
    example = host.observation_zeros()
    if not isinstance(example, Mapping) or bonus not in example:
        known = ", ".join(sorted(example)) if isinstance(example, Mapping) else "no named parts"
        raise HandrailError(
            f"bonus={bonus!r} names no part of the observation, which has {known}; expected a part "
            "whose displacement is rewarded, a function (obs, action, next_obs) -> number, or None"
        )

    def moved(observation: Any, action: np.ndarray, timestep: HostTimestep) -> float:
        change: Any = timestep.observation
        return float(np.linalg.norm(change[bonus] - observation[bonus]))

    return rewarded(host, moved)
