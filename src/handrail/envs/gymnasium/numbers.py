"""Costs and rewards of foreign environments as numbers that float32 can hold."""

from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
"""The largest number that timesteps can hold."""


def one_number(value: Any) -> float | None:
    """The number that `value` is, or None if it is no single number.

    An array or list of one element is that element. Text is no number, whatever it says.
    """
    if isinstance(value, float | int):
        return _converted(value)
    if isinstance(value, str | bytes | bytearray | dict):
        return None
    try:
        array = np.asarray(value)
    except Exception:  # such as a tensor on another device
        return _converted(value)
    if array.size != 1 or array.dtype.kind not in "biufO":
        return None
    element = array.reshape(-1)[0]
    return None if isinstance(element, str | bytes) else _converted(element)


def one_whole(value: Any) -> int | None:
    """One whole number, or None for anything else (such as 1.5, True or an array)."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iu":
        return None
    return int(array.reshape(()))


def is_too_large(number: float) -> bool:
    """Whether the number is finite but float32 would make it infinite."""
    return bool(np.isfinite(number)) and abs(number) > LARGEST


def _converted(value: Any) -> float | None:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond the largest float
        return float("inf") if value > 0 else -float("inf")
    except Exception:
        return None
