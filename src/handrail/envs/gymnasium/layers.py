"""What an environment is wrapped in: simulators that are shared, and wrappers that are refused.

Libraries are never imported here: a wrapper is known by its class name and its attributes.
"""

from collections.abc import Iterator
from typing import Any

from handrail.core.errors import HandrailError

STATISTICS = ("NormalizeObservation", "NormalizeReward", "VecNormalize")
NAMES = ("obs_rms", "return_rms")  # what Gymnasium's wrappers call their statistics
IN_TRAINING = (
    "differ between training and evaluation and are not kept with the policy; scale by fixed "
    "numbers instead (gymnasium.wrappers.RescaleObservation, TransformObservation or "
    "TransformReward), or set statistics that are known and freeze them with "
    "update_running_mean = False"
)
FROZEN = ("update_running_mean", "training")  # attributes that are False where statistics stay


def layers(env: Any) -> Iterator[Any]:
    """`env`, what it wraps, and so on, of every copy in this process."""
    waiting, seen = [env], set()
    while waiting:
        layer = waiting.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        waiting += _inner(layer)


def simulators(env: Any) -> list[Any]:
    """The innermost environments, one for each copy in this process; one may be there twice."""
    inner = _inner(env)
    return [env] if not inner else [one for layer in inner for one in simulators(layer)]


def is_shared(found: list[Any]) -> bool:
    """Whether one simulator is there twice."""
    return len({id(one) for one in found}) < len(found)


def refuse_running_statistics(env: Any, name: str, harm_and_fix: str = IN_TRAINING) -> None:
    """Raises `HandrailError` for a wrapper whose output depends on all that it has seen before.

    Training and evaluation have an environment each, so one state would look different in them,
    and the statistics would be missing from the policy's file. Statistics that are frozen
    (`update_running_mean = False`) are accepted.
    """
    for layer in layers(env):
        if _inner(layer) and _keeps_statistics(layer) and not _is_frozen(layer):
            raise HandrailError(
                f"{name}: it is wrapped in {type(layer).__name__}, whose running statistics "
                f"{harm_and_fix}"
            )
    base = getattr(env, "unwrapped", env)
    if "AsyncVectorEnv" in {kind.__name__ for kind in type(base).__mro__}:
        for kept in filter(lambda kept: _in_processes(base, kept), NAMES):
            raise HandrailError(
                f"{name}: its copies keep {kept}, a wrapper's running statistics, which "
                f"{harm_and_fix}"
            )


def _in_processes(env: Any, name: str) -> bool:
    """Whether copies in other processes have statistics of this name that are not frozen."""
    if not any(env.call("has_wrapper_attr", name)):
        return False
    return not any(env.call("has_wrapper_attr", FROZEN[0])) or any(env.call(FROZEN[0]))


def _inner(layer: Any) -> list[Any]:
    own = getattr(layer, "__dict__", {})
    copies = own.get("envs")
    if isinstance(copies, list | tuple) and hasattr(layer, "num_envs"):
        return list(copies)
    return [own[name] for name in ("env", "venv") if hasattr(own.get(name), "step")][:1]


def _keeps_statistics(layer: Any) -> bool:
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    return bool(kinds & set(STATISTICS)) or any(
        map(_is_running, getattr(layer, "__dict__", {}).values())
    )


def _is_running(value: Any) -> bool:
    """Whether it is a mean and a variance that are updated (`RunningMeanStd` of many libraries)."""
    updated = any(callable(getattr(value, name, None)) for name in ("update", "push"))
    return (
        updated and _is_data(value, "mean") and (_is_data(value, "var") or _is_data(value, "std"))
    )


def _is_data(value: Any, name: str) -> bool:
    return hasattr(value, name) and not callable(getattr(value, name))


def _is_frozen(layer: Any) -> bool:
    return any(getattr(layer, name, None) is False for name in FROZEN)
