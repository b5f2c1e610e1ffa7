"""What foreign environments return, read with care: one clear error for everything else."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.errors import HandrailError


@dataclasses.dataclass(frozen=True)
class RawStep:
    """One step as the environment returned it; `sixth` is the cost of a six-tuple, or None."""

    observation: Any
    reward: Any
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]
    sixth: Any = None


GUARDED = "handrail_guarded"
"""In the metadata of an environment: an intervention replaces actions inside of it."""


def refuse_guarded(env: Any) -> None:
    """Refuses to train in an environment, or a vector of them, that a `SafeExploration` guards.

    The learner would store actions that were not executed, and its runs report no intervention.
    """
    if (getattr(env, "metadata", None) or {}).get(GUARDED):
        raise HandrailError(
            "the environment is guarded by a SafeExploration, inside of which a learner would "
            "store actions that were not executed; give the environment itself, and the guard as "
            "intervention=..."
        )


def environment_name(env: Any) -> str:
    """The id an environment is registered under, or its class."""
    for needed in ("reset", "step", "action_space", "observation_space"):
        if not hasattr(env, needed):
            raise HandrailError(
                f"{type(env).__name__} has no `{needed}`; expected a Gymnasium environment "
                "(one that has been built, such as gymnasium.make('CartPole-v1'))"
            )
    if hasattr(env, "num_envs"):
        raise HandrailError(
            f"{type(env).__name__} holds {env.num_envs} environments; expected a single one. "
            "Training takes a function that builds several side by side; for another library's "
            "agent, wrap each before: SyncVectorEnv([lambda: SafeExploration(make(), …), …])"
        )
    spec = getattr(env, "spec", None)
    return getattr(spec, "id", None) or type(getattr(env, "unwrapped", env)).__name__


def read_reset(env: Any, seed: int) -> Any:
    """The first observation of an episode that is seeded with `seed`."""
    try:
        result = env.reset(seed=seed)
    except Exception as error:
        raise HandrailError(f"reset(seed=...) raised {type(error).__name__}: {error}") from error
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        raise HandrailError(
            f"reset returned a {describe(result)}; expected (observation, info). "
            "An environment of the old Gym API needs a compatibility wrapper"
        )
    return result[0]


def take_step(env: Any, action: Any, *, expected: str) -> tuple[Any, ...]:
    """The five values, or six with the cost, that a step returns; `expected` names them."""
    try:
        result = env.step(action)
    except Exception as error:
        raise HandrailError(f"step raised {type(error).__name__}: {error}") from error
    length = len(result) if isinstance(result, tuple) else 0
    if length not in (5, 6):
        raise HandrailError(f"step returned a {describe(result)}; expected {expected}")
    return result


def read_step(env: Any, action: Any) -> RawStep:
    """One step of Gymnasium's five values or Safety-Gymnasium's six."""
    result = take_step(
        env, action,
        expected="(observation, reward, terminated, truncated, info), or with the cost after the "
        "reward",
    )  # fmt: skip
    observation, reward, *cost, terminated, truncated, info = result
    if not isinstance(info, Mapping):
        raise HandrailError(f"step's info is a {type(info).__name__}; expected a dictionary")
    return RawStep(
        observation,
        reward,
        _flag("terminated", terminated),
        _flag("truncated", truncated),
        info,
        *cost,
    )


def raw_copy(observation: Any) -> Any:
    """A copy that stays as it is whatever the environment does to its buffers."""
    return observation.copy() if type(observation) is np.ndarray else copy.deepcopy(observation)


def _flag(name: str, value: Any) -> bool:
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind not in "biu":
        raise HandrailError(f"`{name}` is {value!r}; expected True or False")
    return bool(array)


def describe(result: Any) -> str:
    """What it is, in a word or three."""
    if isinstance(result, tuple):
        return f"tuple of {len(result)}"
    return type(result).__name__
