"""What the shield test costs, as a finding about a transfer."""

import numpy as np

from handrail.equations.interval import Interval
from handrail.train.rollout.base import Episodes
from handrail.transfer_check.finding import TransferFinding, percent, ratio_interval, written
from handrail.transfer_check.neighbours import PerEpisode


def under_shield(
    source: Episodes, target: Episodes, *, limit: float, length: int
) -> TransferFinding:
    """Whether a student that knows nothing would keep its limit in the shield test.

    `limit` is the target's, of an episode of `length` steps, undiscounted.
    """
    before, after = (_per_episode(tried, length) for tried in (source, target))
    wrong = note = ""
    said = (
        f"the shield test costs {after.value:.3g} an episode in the target, where "
        f"the limit is {limit:g}"
    )
    if after.low > limit:
        wrong = said
    elif after.value > limit:
        note = f"{said}; measure more episodes, or train it longer"
    return TransferFinding(
        f"cost of the shield test ({percent(source.intervention_rate)} and "
        f"{percent(target.intervention_rate)} of the steps are its own)",
        written(before), written(after), f"target ≤ {limit:g}", wrong, note=note,
    )  # fmt: skip


def _per_episode(tried: Episodes, length: int) -> Interval:
    costs = np.asarray(tried.costs, np.float64) * length
    return ratio_interval(PerEpisode(costs, np.asarray(tried.lengths, np.float64)))
