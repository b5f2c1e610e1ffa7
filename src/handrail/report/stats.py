"""Statistics of a few runs: interquartile means, bootstrap intervals and comparisons.

Scores are arrays `(runs, tasks)`, one entry per run (seed) and task. An interval is a
stratified percentile bootstrap: runs are redrawn within each task, never across tasks, as in
Agarwal et al. 2021 (arXiv:2108.13264). All randomness comes from `seed`, so that a report
which is made twice shows the same numbers. Pure NumPy.
"""

from collections.abc import Callable

import numpy as np

from handrail.core.errors import HandrailError
from handrail.equations.interval import Interval

Aggregate = np.ndarray | np.floating  # NumPy gives a scalar where no batch axis is left
Statistic = Callable[[np.ndarray], Aggregate]
"""Maps scores `(..., runs, tasks)` to their aggregates `(...)`."""


def mean(scores: np.ndarray) -> Aggregate:
    """The mean over runs and tasks: `(..., runs, tasks)` to `(...)`."""
    return np.mean(scores, axis=(-2, -1))


def iqm(scores: np.ndarray) -> Aggregate:
    """The mean of the middle half of all scores: `(..., runs, tasks)` to `(...)`.

    A quarter of the scores, rounded down, is cut off at each end (arXiv:2108.13264, Section 4),
    so with fewer than four scores this is the mean.
    """
    flat = np.sort(np.reshape(scores, (*scores.shape[:-2], -1)), axis=-1)
    cut = flat.shape[-1] // 4
    return np.mean(flat[..., cut : flat.shape[-1] - cut], axis=-1)


def _scores(scores) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim == 1:  # runs of one task
        scores = scores[:, None]
    if scores.ndim != 2 or scores.size == 0:
        raise HandrailError(
            f"scores have shape {scores.shape}, expected (runs, tasks) with at least one of each"
        )
    if not np.all(np.isfinite(scores)):
        raise HandrailError(
            f"{np.sum(~np.isfinite(scores))} of {scores.size} scores are not finite; "
            "leave unfinished runs out before aggregating"
        )
    return scores


def _redrawn(scores: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """`(resamples, runs, tasks)`: each column redrawn with replacement from itself."""
    runs, tasks = scores.shape
    rows = rng.integers(runs, size=(resamples, runs, tasks))
    return scores[rows, np.arange(tasks)]


def _ends(draws: Aggregate, level: float) -> tuple[Aggregate, Aggregate]:
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def bootstrap(
    scores, statistic: Statistic = iqm, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The statistic of `scores` `(runs, tasks)` or `(runs,)` with its bootstrap interval.

    With one run per task there is nothing to redraw, and the interval is the point itself:
    say how many runs there were next to every interval.
    """
    scores = _scores(scores)
    draws = statistic(_redrawn(scores, resamples, np.random.default_rng(seed)))
    low, high = _ends(draws, level)
    return Interval(float(statistic(scores)), float(low), float(high))


def bootstrap_known(scores) -> Interval | None:
    """As `bootstrap`, of those of `scores` `(runs,)` that are finite; None where none is."""
    known = np.asarray(scores, np.float64)
    known = known[np.isfinite(known)]
    return bootstrap(known) if known.size else None


def bootstrap_curve(
    curves,
    statistic: Statistic = mean,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The pointwise statistic of `curves` `(runs, points)`: three arrays `(points,)`.

    Whole runs are redrawn, so each resampled curve is one that such runs could have given. A point
    is of the runs that have a value there (not NaN, as before the first episode has ended, or after
    the run's end); one which no run has reached is NaN.
    """
    curves = np.asarray(curves, dtype=np.float64)
    if curves.ndim != 2 or curves.size == 0:
        raise HandrailError(f"curves have shape {curves.shape}, expected (runs, points)")
    found = np.full((3, curves.shape[1]), np.nan)
    runs, alike = np.unique(np.isfinite(curves), axis=1, return_inverse=True)
    for number, known in enumerate(runs.T):
        points = np.flatnonzero(alike == number)
        own = curves[known][:, points]
        if not len(own):
            continue
        rows = np.random.default_rng(seed).integers(len(own), size=(resamples, len(own)))
        draws = np.stack([statistic(own[index].T[:, :, None]) for index in rows])
        found[:, points] = (statistic(own.T[:, :, None]), *_ends(draws, level))
    return Interval(*found)
