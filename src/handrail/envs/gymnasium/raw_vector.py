"""What Gymnasium's vector environments return, taken apart copy by copy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.raw import RawStep, describe, take_step

SEEDED = ("SyncVectorEnv", "AsyncVectorEnv")  # these reset the copies of a mask in every mode
SAME_STEP, NEXT_STEP, DISABLED = "SAME_STEP", "NEXT_STEP", "DISABLED"


def autoreset_mode(env: Any) -> str:
    """When it resets ended copies by itself. Raises `HandrailError` if we cannot do so instead.

    Every episode is to be seeded, so each copy has to be reset by us, with `reset_mask`. Gymnasium
    promises that only where auto-reset is disabled; its own classes do it always, after which
    there is nothing left to reset by themselves.
    """
    mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    mode = getattr(mode, "name", str(mode))
    base = getattr(env, "unwrapped", env)
    kinds = [kind.__name__ for kind in type(base).__mro__]
    fix = "build it with autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED"
    if mode != DISABLED and not set(kinds) & set(SEEDED):
        raise HandrailError(
            f"it resets its copies by itself (autoreset mode {mode}), and their episodes cannot be "
            f"seeded; {fix}, or put single environments side by side with SyncVectorEnv"
        )
    if mode == NEXT_STEP and "AsyncVectorEnv" in kinds and not getattr(base, "shared_memory", 1):
        # there a worker does not notice that it has been reset, and resets once more
        raise HandrailError(
            f"without shared memory an AsyncVectorEnv resets a copy twice; {fix}, or leave out "
            "shared_memory=False"
        )
    return mode


def read_vector_reset(
    env: Any, seeds: list[int], which: np.ndarray
) -> tuple[Any, Mapping[str, Any]]:
    """What all copies observe once those of `which` have been reset, each with its seed, and their
    infos together.
    """
    given: dict[str, Any] = {} if which.all() else {"options": {"reset_mask": which.copy()}}
    try:
        result = env.reset(seed=seeds, **given)
    except Exception as error:
        raise HandrailError(
            f"reset(seed=[...], options={{'reset_mask': ...}}) raised {type(error).__name__}: "
            f"{error}"
        ) from error
    if not (isinstance(result, tuple) and len(result) == 2):
        raise HandrailError(f"reset returned a {describe(result)}; expected (observations, infos)")
    return result


def read_vector_step(
    env: Any, actions: Any, copies: int, *, mode: str
) -> tuple[list[RawStep], Any]:
    """One step of all copies, and their `infos` together.

    In the mode SAME_STEP a copy that ended has been reset already: its observation and info are
    the final ones, not those of the next episode.
    """
    result = take_step(
        env, actions,
        expected="(observations, rewards, terminations, truncations, infos), or with the costs "
        "after the rewards",
    )  # fmt: skip
    observations, rewards, *costs, terminated, truncated, infos = result
    if not isinstance(infos, Mapping):
        raise HandrailError(
            f"step's infos are a {type(infos).__name__}; expected a dictionary of arrays"
        )
    rewards = _column("rewards", rewards, copies)
    costs = [_column("costs", values, copies) for values in costs]
    terminated = _column("terminations", terminated, copies, "biu").astype(bool)
    truncated = _column("truncations", truncated, copies, "biu").astype(bool)
    steps = []
    for copy in range(copies):
        observation, info = observations, infos
        if mode == SAME_STEP and (terminated[copy] or truncated[copy]):
            if "final_obs" not in infos:
                raise HandrailError(
                    f"copy {copy} was reset in the step that ended its episode, but infos have no "
                    "'final_obs': what was reached is lost"
                )
            observation, info = infos["final_obs"], infos.get("final_info", {})
        steps.append(
            RawStep(
                observation_of(observation, copy, env.single_observation_space),
                rewards[copy],
                bool(terminated[copy]),
                bool(truncated[copy]),
                info_of(info, copy, copies),
                *(values[copy] for values in costs),
            )
        )
    return steps, infos


def observation_of(observations: Any, copy: int, space: Any) -> Any:
    """What one copy with this space observes, of arrays (or tuples) with an entry for each."""
    inner = getattr(space, "spaces", None)
    if isinstance(observations, Mapping):
        named = inner if isinstance(inner, Mapping) else {}
        return {
            name: observation_of(part, copy, named.get(name)) for name, part in observations.items()
        }
    if isinstance(observations, tuple) and isinstance(inner, tuple):
        pairs = zip(observations, inner, strict=True)
        return tuple(observation_of(part, copy, of) for part, of in pairs)
    try:
        return observations[copy]
    except (TypeError, IndexError):
        raise HandrailError(
            f"the observations are a {describe(observations)}; expected an entry for each copy"
        ) from None


def info_of(infos: Mapping[str, Any], copy: int, copies: int) -> dict[str, Any]:
    """The info of one copy, of arrays that have a mask `_name` each: who said `name` at all."""
    own: dict[str, Any] = {}
    for name, value in infos.items():
        mask = infos.get(f"_{name}")
        if mask is None and name[:1] == "_" and name[1:] in infos:
            continue  # a mask itself
        if mask is not None and not mask[copy]:
            continue
        if isinstance(value, Mapping):
            own[name] = info_of(value, copy, copies)
        elif mask is not None or (len(np.shape(value)) and len(value) == copies):
            own[name] = value[copy]
        else:
            own[name] = value
    return own


def _column(name: str, values: Any, copies: int, kinds: str = "biuf") -> np.ndarray:
    array = np.asarray(values)
    if array.shape == (copies, 1):  # rewards as arrays of one number
        array = array[:, 0]
    if array.shape != (copies,) or array.dtype.kind not in kinds:
        raise HandrailError(
            f"the {name} have shape {array.shape} and dtype {array.dtype}; expected an entry for "
            f"each of {copies} copies"
        )
    return array
