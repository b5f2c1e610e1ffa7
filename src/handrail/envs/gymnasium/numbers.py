"""Costs and rewards of foreign environments as numbers that float32 can hold."""

from typing import Any

import numpy as np

from handrail.core.errors import HandrailError

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


def numbered(what: str, value: Any, first: int, count: int) -> int:
    """Which of `count` numbers from `first` on it is, from 0. Raises `HandrailError` for others."""
    array = np.asarray(value)  # of True, 1.5 or several numbers it is none
    number = int(array.reshape(())) if array.size == 1 and array.dtype.kind in "iu" else None
    if number is None or not 0 <= number - first < count:
        raise HandrailError(
            f"the {what} is {value!r}; expected one number from {first} to {first + count - 1}"
        )
    return number - first


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
