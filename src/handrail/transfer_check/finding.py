"""What a finding about a transfer is, and the intervals and words that it is made of."""

import dataclasses
import math

import numpy as np

from handrail.equations.interval import Interval
from handrail.transfer_check.neighbours import PerEpisode

_RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class TransferFinding:
    """One question, what was found in both tasks, and what is wrong (empty: nothing)."""

    question: str
    source: str
    target: str
    expected: str
    wrong: str = ""
    note: str = ""  # worth knowing, but no reason against trust
    hinders: str = ""  # no danger, but a student is not likely to learn


def by_episode(values: np.ndarray) -> PerEpisode:
    """One value an episode."""
    return PerEpisode(np.asarray(values, float), np.ones(len(values)))


def mean_interval(values: np.ndarray) -> Interval:
    """The mean of one value an episode, with its 95 % interval."""
    return ratio_interval(by_episode(values))


def ratio_interval(ratio: PerEpisode) -> Interval:
    """The ratio over all episodes, with its 95 % interval; NaN without any count."""
    return _interval(_redrawn(ratio), ratio.mean)


def difference(first: PerEpisode, second: PerEpisode) -> Interval:
    """The first ratio minus the second, of independent episodes, with its 95 % interval."""
    shuffled = np.random.default_rng(1).permutation(_redrawn(second))
    gap = _redrawn(first) - shuffled
    known = gap[np.isfinite(gap)]
    return _interval(known, float(known.mean()) if known.size else math.nan)


def _redrawn(ratio: PerEpisode) -> np.ndarray:
    """The ratio over redrawn episodes; NaN where none of them counts."""
    rows = np.random.default_rng(0).integers(len(ratio.sums), size=(_RESAMPLES, len(ratio.sums)))
    counts = ratio.counts[rows].sum(axis=1)
    return np.where(counts > 0, ratio.sums[rows].sum(axis=1) / np.maximum(counts, 1), np.nan)


def _interval(redrawn: np.ndarray, value: float) -> Interval:
    known = redrawn[np.isfinite(redrawn)]
    if not known.size:
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def written(interval: Interval, digits: int = 2) -> str:
    """For the table; a dash for what is not known."""
    return "–" if math.isnan(float(interval.value)) else interval.text(digits)


def percent(value: float) -> str:
    """A share for the table and in sentences."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}%"


def percents(interval: Interval) -> str:
    """A share with its interval, for the table."""
    if math.isnan(float(interval.value)):
        return "–"
    return (
        f"{percent(float(interval.value))} [{percent(float(interval.low))}, "
        f"{percent(float(interval.high))}]"
    )
