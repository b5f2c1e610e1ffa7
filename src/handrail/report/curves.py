"""Learning curves on a common step grid, from episodes of unequal length. Pure NumPy."""

import numpy as np

from handrail.core.errors import HandrailError


def grid(total_steps: int, points: int = 200) -> np.ndarray:
    """`points` step numbers `(points,)`, evenly spread up to and including `total_steps`."""
    if total_steps < 1 or points < 1:
        raise HandrailError(f"a grid of {points} points over {total_steps} steps is empty")
    return np.unique(np.round(np.linspace(0, total_steps, points + 1)[1:]).astype(np.int64))


def _ended(ends, values) -> tuple[np.ndarray, np.ndarray]:
    ends, values = np.asarray(ends), np.asarray(values, dtype=np.float64)
    if ends.shape != values.shape or ends.ndim != 1:
        raise HandrailError(
            f"one value per episode is needed, not {values.shape} for {ends.shape} episodes"
        )
    if np.any(np.diff(ends) < 0):
        raise HandrailError("the steps at which episodes ended must not decrease")
    return ends, values


def rolling_mean(ends, values, steps, window: float) -> np.ndarray:
    """The mean of the episodes that ended in `(t − window, t]`, for each `t` in `steps`.

    `ends` `(episodes,)` are the steps of the run done when an episode ended, `values`
    `(episodes,)` its return or cost. The window is counted in steps, so a method whose
    episodes are short is smoothed over the same experience as one whose episodes are long.
    Where no episode ended in the window, the last episode before it stands; before the first
    end the value is NaN.
    """
    ends, values = _ended(ends, values)
    if window <= 0:
        raise HandrailError(f"a window of {window} steps is empty; it must be positive")
    steps = np.asarray(steps)
    total = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.searchsorted(ends, steps, side="right")
    start = np.searchsorted(ends, steps - window, side="right")
    start = np.minimum(start, np.maximum(stop - 1, 0))
    count = stop - start
    return np.where(count > 0, (total[stop] - total[start]) / np.maximum(count, 1), np.nan)


def cumulative(ends, values, steps) -> np.ndarray:
    """The sum of the episodes that ended by each of `steps`, such as violations so far."""
    ends, values = _ended(ends, values)
    total = np.concatenate([[0.0], np.cumsum(values)])
    return total[np.searchsorted(ends, np.asarray(steps), side="right")]
