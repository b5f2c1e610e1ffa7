"""JSON from files of others: bounded in depth and numbers, without what JSON does not have; and
values of ours as JSON has them.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

DEEPEST = 64
"""Levels of lists and objects inside each other; our own files have fewer than ten."""
DIGITS = 20  # of a whole number: more than an int64 has


def parse(text: str, *, constant: Callable[[str], Any] | None = None) -> Any:
    """The value of a JSON text; `ValueError` with the reason where it is refused.

    Refused are a name that occurs twice in an object, more than `DEEPEST` levels, whole numbers
    of more than `DIGITS` digits, numbers that float64 lacks, and NaN and the infinities, unless
    `constant` turns their names into values.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_different,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number if constant is None else constant,
        )
    except RecursionError:
        raise ValueError(f"more than {DEEPEST} levels inside each other") from None
    _check_depth(value)
    return value


def numbers(value: Any, name: str = "") -> dict[str, float]:
    """The real numbers of a parsed value, by dotted name."""
    found: dict[str, float] = {}
    waiting: list[tuple[str, Any]] = [(name, value)]
    while waiting:
        name, one = waiting.pop()
        if isinstance(one, float):
            found[name] = one
        elif isinstance(one, dict):
            waiting += [(f"{name}.{key}".lstrip("."), entry) for key, entry in one.items()]
        elif isinstance(one, list):
            waiting += [(f"{name}[{index}]", entry) for index, entry in enumerate(one)]
    return found


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            entry
            for one in level
            if isinstance(one, dict | list)
            for entry in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ValueError(f"more than {DEEPEST} levels inside each other")


def _different(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} occurs twice in one object")
    return values


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS:
        raise ValueError(f"a whole number of {len(text.lstrip('-'))} digits; at most {DIGITS}")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def plain_json(value: Any) -> Any:
    """A value as JSON knows it: dataclasses by field, arrays as lists, numbers that are not finite
    as null.
    """
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(name): plain_json(entry) for name, entry in value.items()}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str | bool | int) or value is None:
        return value
    if hasattr(value, "tolist"):  # of NumPy or JAX
        return plain_json(value.tolist())
    return [plain_json(entry) for entry in value]
