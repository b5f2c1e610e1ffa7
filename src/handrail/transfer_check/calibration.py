"""What a guide predicts where it acts, and what came of it: is its cost critic fit for a floor?

Under the preset `recommended` a student's cost critic is never believed below what its guide
predicts (`learners/sac/cost_floor`), so that costs which only the guide's critic sees count against
the student's limit.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from handrail.transfer_check.neighbours import PerEpisode
from handrail.transfer_check.rollouts import Visits


@dataclasses.dataclass(frozen=True)
class CriticCalibration:
    """Sums over states by episode. All costs are discounted, from a state on.

    Predicted costs count as a floor counts them: never below 0.
    """

    predicted: PerEpisode  # of the guide's own actions, in episodes of its own
    incurred: PerEpisode  # what followed, in the same states
    above_aim: PerEpisode  # states among them in which more is predicted than a student aims at
    above_limit: PerEpisode  # and more than the limit
    apart: PerEpisode  # how much more random actions predict, takeovers included


def calibrate(
    visits: Visits,
    counted: Bool[np.ndarray, "episodes steps"],
    followed: Float[np.ndarray, "episodes steps"],
    *,
    aim: float,
    limit: float,
) -> CriticCalibration:
    """Of the states that are `counted`; `followed` are their discounted costs-to-go.

    `aim` and `limit` are discounted costs as well.
    """
    alone = counted & (visits.handed_over == 0)[:, None]
    own, other = (np.maximum(each, 0) for each in (visits.predicted, visits.predicted_random))
    return CriticCalibration(
        predicted=PerEpisode.of_steps(own, alone),
        incurred=PerEpisode.of_steps(followed, alone),
        above_aim=PerEpisode.of_steps(own > aim, alone),
        above_limit=PerEpisode.of_steps(own > limit, alone),
        apart=PerEpisode.of_steps(other - own, counted),
    )
