"""An estimate with its interval, and numbers as tables show them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its interval; each a float or an array of one shape."""

    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float

    def text(self, digits: int = 2) -> str:
        """`0.91 [0.88, 0.93]`, for tables; for scalars only."""
        value, low, high = (decimals(float(x), digits) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def decimals(value: float, digits: int) -> str:
    """A number for tables: `digits` decimals, none from 1,000 on, where they say nothing."""
    return f"{value:,.{0 if abs(value) >= 1000 else digits}f}"
