"""What random driving costs under a guide's guard, as a finding about a transfer."""

import numpy as np

from handrail.equations.interval import Interval
from handrail.methods.sagui.shield import ShieldTest
from handrail.transfer_check.finding import Finding, percent, ratio_interval, written
from handrail.transfer_check.neighbours import PerEpisode


def under_guard(source: ShieldTest, target: ShieldTest, *, limit: float, length: int) -> Finding:
    """Whether a student that knows nothing would keep its limit under the guide's guard.

    `limit` is the target's, of an episode of `length` steps, undiscounted.
    """
    before, after = (_per_episode(tried, length) for tried in (source, target))
    wrong = note = ""
    said = (
        f"random driving under its guard costs {after.value:.3g} an episode in the target, where "
        f"the limit is {limit:g}"
    )
    if after.low > limit:
        wrong = said
    elif after.value > limit:
        note = f"{said}; measure more episodes, or train it longer"
    return Finding(
        f"cost of random driving under its guard ({percent(source.share)} and "
        f"{percent(target.share)} of the steps are its own)",
        written(before), written(after), f"target ≤ {limit:g}", wrong, note=note,
    )  # fmt: skip


def _per_episode(tried: ShieldTest, length: int) -> Interval:
    costs = np.asarray(tried.costs, np.float64) * length
    return ratio_interval(PerEpisode(costs, np.asarray(tried.lengths, np.float64)))
