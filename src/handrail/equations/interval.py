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


def at_most(count: int, of: int, confidence: float = 0.95) -> float:
    """The probability that an event has at most, which was seen `count` times in `of` independent
    trials: the upper end of the one-sided interval of Clopper and Pearson (1934). 1 without trials.

    At the true probability p it lies below p in at most a share `1 − confidence` of all samples.
    """
    from scipy.special import betaincinv

    if count >= of:
        return 1.0
    return float(betaincinv(count + 1, of - count, confidence))


def decimals(value: float, digits: int) -> str:
    """A number for tables: `digits` decimals, none from 1,000 on, where they say nothing."""
    return f"{value:,.{0 if abs(value) >= 1000 else digits}f}"
