"""What foreign environments return, read with care: one clear error for everything else."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.numbers import LARGEST, is_too_large, one_number

SEVERAL_AGENTS = {"ParallelEnv", "AECEnv", "MultiAgentEnv"}


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
            "store actions that were not executed; give the environment itself, and the guard to "
            "train_dqn or train_student as intervention=...; to shield another learner, wrap the "
            "environment for that one"
        )


def environment_name(env: Any) -> str:
    """The id an environment is registered under, or its class."""
    refuse_other_interfaces(env)
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


def registered_steps(env: Any) -> int | None:
    """The time limit in steps that an environment was registered with, if it says."""
    return getattr(getattr(env, "spec", None), "max_episode_steps", None)


def close_environment(env: Any) -> None:
    """Ends what it runs in; what cannot be closed stays."""
    close = getattr(env, "close", None)
    if close is not None:
        close()


def refuse_other_interfaces(env: Any) -> None:
    """Raises `HandrailError` for environments of PettingZoo, stable-baselines3 and dm_env."""
    kinds = {kind.__name__ for kind in type(env).__mro__}
    name = type(env).__name__
    of_agents = hasattr(env, "possible_agents") or hasattr(env, "agents")
    if kinds & SEVERAL_AGENTS or (of_agents and callable(getattr(env, "action_space", None))):
        raise HandrailError(
            f"{name} has PettingZoo's interface of several agents; handrail takes one agent: give "
            "a Gymnasium environment of it, in which the other agents act by rules of their own"
        )
    if "VecEnv" in kinds or (hasattr(env, "step_wait") and not hasattr(env, "single_action_space")):
        raise HandrailError(
            f"{name} is a VecEnv of stable-baselines3, not a Gymnasium environment; give the "
            "function that builds one environment, or several as "
            "gymnasium.vector.SyncVectorEnv([make, make])"
        )
    if hasattr(env, "action_spec") and not hasattr(env, "action_space"):
        raise HandrailError(
            f"{name} has dm_env's interface (action_spec); wrap it in a Gymnasium environment, "
            "such as shimmy.DmControlCompatibilityV0"
        )


def read_reset(
    env: Any, seed: int, options: Mapping[str, Any] | None = None
) -> tuple[Any, Mapping[str, Any]]:
    """The first observation of an episode that is seeded with `seed`, and its info."""
    given = {} if options is None else {"options": dict(options)}
    return begin_episode(env, seed=seed, **given)


def begin_episode(env: Any, **given: Any) -> tuple[Any, Mapping[str, Any]]:
    """The first observation and the info of `env.reset(**given)`."""
    try:
        result = env.reset(**given)
    except Exception as error:
        named = ", ".join(f"{name}=..." for name in given)
        raise HandrailError(f"reset({named}) raised {type(error).__name__}: {error}") from error
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)):
        raise HandrailError(
            f"reset returned a {describe(result)}; expected (observation, info). "
            "An environment of the old Gym API needs a compatibility wrapper"
        )
    return result


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


def finite_reward(reward: Any) -> float:
    """The reward of a step as a number. Raises `HandrailError` if it is not one finite number."""
    number = one_number(reward)
    if number is None:
        raise HandrailError(
            f"the reward is {reward!r}; expected one number. Of several objectives make one, such "
            "as gymnasium.wrappers.TransformReward(env, lambda reward: float(reward @ weights))"
        )
    if not np.isfinite(number):
        raise HandrailError(f"the reward is {number}; expected a finite number")
    if is_too_large(number):
        raise HandrailError(
            f"the reward is {number}; expected at most {LARGEST:.3g} in size, the largest float32 "
            "number"
        )
    return number


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
