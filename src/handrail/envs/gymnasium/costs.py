"""Where a step's cost comes from, and several named costs as one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handrail.core.arguments import Positive, converted, shown
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.numbers import LARGEST, is_too_large, one_number

CostFn = Callable[[Any, Any, Any, dict[str, Any]], "float | Mapping[str, float]"]
"""`cost_fn(observation, action, next_observation, info)`, all as the environment gives them."""


class Costs:
    """Reads the cost of a step: from `cost_fn`, else the sixth value, else `info["cost"]`.

    Several named costs c_i, each with its limit d_i (expected undiscounted sum an episode), stay
    apart for learners that have a multiplier for each (`each`). Whatever knows one cost only gets
    c = D · max_i c_i / d_i per step, with D the smallest limit. Since Σ c ≥ D/d_i · Σ c_i
    for every i, a policy with E[Σ c] ≤ D keeps every limit. The converse does not hold: where
    different constraints are touched at different steps the one limit is stricter than all.
    """

    def __init__(self, cost_fn: CostFn | None = None, limits: Mapping[str, float] | None = None):
        if cost_fn is not None and not callable(cost_fn):
            raise HandrailError(
                f"cost is {cost_fn!r}; expected a function (obs, action, next_obs, info) -> cost, "
                "or None to read info['cost']"
            )
        self.cost_fn = cost_fn
        self.limits = None if limits is None else _checked_limits(limits)
        self.limit = None if self.limits is None else min(self.limits.values())
        """Of the combined cost (D); None where costs have no names."""
        self.apart = self.limits if self.limits is not None and len(self.limits) > 1 else {}
        """Limits of several costs, in the order of their names; empty where there is but one."""

    def named(
        self, obs: Any, action: Any, next_obs: Any, info: Mapping[str, Any], sixth: Any = None
    ) -> dict[str, float]:
        """The step's costs by name (`cost` for a single one). Raises `HandrailError`."""
        if self.cost_fn is not None:
            try:
                given = self.cost_fn(obs, action, next_obs, dict(info))
            except Exception as error:
                raise HandrailError(
                    f"the cost function raised {type(error).__name__}: {error}"
                ) from error
        elif sixth is not None:
            given = sixth
        elif "cost" in info:
            given = info["cost"]
        else:
            raise HandrailError(
                "the step has no cost: return info['cost'] at every step (0 where it is safe), "
                "return (obs, reward, cost, terminated, truncated, info), or give a function "
                "cost=lambda obs, action, next_obs, info: ..."
            )
        if isinstance(given, Mapping):
            return {str(name): _number(f"cost {name!r}", value) for name, value in given.items()}
        return {"cost": _number("cost", given)}

    def combined(self, named: Mapping[str, float]) -> float:
        """One cost for all. Raises `HandrailError` where costs and limits do not fit together."""
        if self.limits is None or self.limit is None:
            if tuple(named) == ("cost",):
                return named["cost"]
            raise HandrailError(
                f"the step has several named costs ({', '.join(sorted(named))}); give each its "
                "limit: limits={" + ", ".join(f"{name!r}: ..." for name in sorted(named)) + "}"
            )
        if set(named) != set(self.limits):
            raise HandrailError(
                f"the step has the costs {', '.join(sorted(named))}, but limits are given for "
                f"{', '.join(sorted(self.limits))}; name the same ones"
            )
        return max(cost * (self.limit / self.limits[name]) for name, cost in named.items())

    def each(self, named: Mapping[str, float]) -> np.ndarray | None:
        """Several costs by themselves, as they are, in the order of `apart`; None for one."""
        return np.array([named[name] for name in self.apart], np.float32) if self.apart else None


def _checked_limits(limits: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(limits, Mapping):
        raise HandrailError(
            f"limits is {shown(limits)}; expected the limit of each named cost, such as "
            "{'speed': 5.0}; a cost without a name has limit=5.0"
        )
    for name in limits:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise HandrailError(
                f"limits has the name {name!r}; expected a word, since tables have a column for it"
            )
    checked = {}
    for name, value in sorted(limits.items()):
        try:
            checked[name] = converted(value, Positive, name)
        except HandrailError:
            raise HandrailError(
                f"the limit of {name!r} is {shown(value)}; expected a positive number, the "
                "expected undiscounted cost of an episode"
            ) from None
    if not checked:
        raise HandrailError("limits is empty; expected a limit for every named cost")
    return checked


def _number(what: str, value: Any) -> float:
    number = one_number(value)
    if number is None:
        raise HandrailError(f"the {what} is {value!r}; {_expected(value)}")
    if not np.isfinite(number) or number < 0:
        raise HandrailError(
            f"the {what} is {number}; expected a finite number ≥ 0 (0 where the step is safe)"
        )
    if is_too_large(number):
        raise HandrailError(
            f"the {what} is {number}; expected at most {LARGEST:.3g}, the largest float32 number"
        )
    return number


def _expected(value: Any) -> str:
    """What is expected in place of a value that is no single number."""
    count = np.size(value) if isinstance(value, list | tuple) or hasattr(value, "shape") else 0
    if count < 2:
        return "expected one number ≥ 0"
    return (
        f"these are {count} numbers, expected one ≥ 0; give several costs names, such as "
        'cost=lambda obs, action, next_obs, info: {"a": info["cost"][0], "b": info["cost"][1]}, '
        'and each a limit, limits={"a": ..., "b": ...}'
    )
