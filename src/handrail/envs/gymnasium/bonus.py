"""What a guide is rewarded with in a source of a user's own."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import Host
from handrail.envs.gymnasium.numbers import is_too_large, one_number
from handrail.envs.gymnasium.unsafe_starts import UnsafeStarts
from handrail.envs.host import HostTimestep
from handrail.envs.host_wrappers import HostRewarded, VectorRewarded, rewarded
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.envs.jax_libraries.tracing import attempt
from handrail.envs.wrappers import RewardedBySight, no_reward
from handrail.interventions.asked import one_number as one_of_jax

BonusFn = Callable[[Any, Any, Any], Any]
"""`bonus(observation, action, next_observation)`, as an agent has them: float32, [−1, 1].
It gives a number; of a compiled environment it is compiled, too.
"""
Source = HostRewarded | VectorRewarded | RewardedBySight


def with_bonus(host: Host | UnsafeStarts, bonus: BonusFn | str | None) -> Source:
    """The source of a guide: the task's reward gives way to a bonus for getting around.

    A function, the name of an observation's part whose displacement (its length) is the bonus,
    or None: then the policy's entropy alone is rewarded (MAXENT of arXiv:2307.14316).
    """
    if isinstance(host, OwnEnvironment):
        return _compiled(host, bonus)
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
    _check_part(host, bonus)

    def moved(observation: Any, action: np.ndarray, timestep: HostTimestep) -> float:
        change: Any = timestep.observation
        return float(np.linalg.norm(change[bonus] - observation[bonus]))

    return rewarded(host, moved)


def _compiled(host: OwnEnvironment, bonus: BonusFn | str | None) -> RewardedBySight:
    """The same of a compiled source."""
    if bonus is None:
        return RewardedBySight(host, no_reward)
    if callable(bonus):

        def own(observation: Any, action: Any, timestep: Any) -> Any:
            what = f"{host.name}: bonus"
            given = attempt(what, bonus, observation, action, timestep.observation)
            return one_of_jax(what, given)

        return RewardedBySight(host, own)
    _check_part(host, bonus)

    def moved(observation: Any, action: Any, timestep: Any) -> Any:
        return jnp.linalg.norm(jnp.ravel(timestep.observation[bonus] - observation[bonus]))

    return RewardedBySight(host, moved)


def _check_part(host: Host | UnsafeStarts, bonus: str) -> None:
    """Refuses what is no part of the observation."""
    example = host.observation_zeros()
    if not isinstance(example, Mapping) or bonus not in example:
        known = ", ".join(sorted(example)) if isinstance(example, Mapping) else "no named parts"
        raise HandrailError(
            f"bonus={bonus!r} names no part of the observation, which has {known}; expected a part "
            "whose displacement is rewarded, a function (obs, action, next_obs) -> number, or None"
        )
