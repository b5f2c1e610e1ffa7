"""Our settings, by the name of a preset: what differs from the paper's, and why."""

import dataclasses
import math
from typing import Any

from handrail.equations.budget import LIMIT_FRACTION, discounted_limit
from handrail.experiments.navigation.settings import (
    EARLY,
    LIMIT_STEPS,
    NEEDS_GUIDE,
    SPLIT,
    SacSettings,
    StudentRun,
)

FORESEEN = 2.0
"""Our threshold of budget-switch in the navigation tasks: a discounted cost, of two steps."""
MARGIN = LIMIT_FRACTION
"""Our margin of a student that has a guide: see `recommended_margin`."""
EXCURSIONS = 0.1
"""Our share of excursions of the guide: see `recommended_excursions`."""
KEPT = 100_000
"""Steps of the source that a guide keeps, where a student learns from them."""
REWARD_SCALE = 10.0
"""What rewards of 0.02 a step are multiplied by, where the mean of the critics is believed."""
SOURCE_PRICE = math.log(2)
"""Our price of cost in the source: what our guides pay (the multiplier's first value)."""


def recommended(run: StudentRun) -> StudentRun:
    """Our settings for a student with a guide; other methods keep the paper's.

    The student learns from what its guide foresees instead of being pulled towards what its guide
    does: the guide's cost critic is a floor of the student's own, in place of distillation and
    importance weights; the multiplier is slow, undamped, and looks at what the student would do
    now, aiming at half of the limit where it can (docs/sagui-causes.md). The ablations of the
    pull keep it. Under budget-switch the guide makes excursions, and there are two memories like
    under control-switch.
    """
    if run.method not in (*NEEDS_GUIDE, "random-guide"):
        return run
    ours = dataclasses.replace(
        run,
        density="exact",
        weighting="none",
        constraint="present",
        margin=recommended_margin(run.method, split=True),
        excursions=recommended_excursions(run.method),
        learning=recommended_student(run.learning),
    )
    if run.method not in ("fixreg", "decreg"):
        ours = dataclasses.replace(ours, distillation="none")
    if run.method == "budget-switch":
        scale = discounted_limit(run.limit, run.learning.discount, LIMIT_STEPS)
        threshold = FORESEEN / scale if scale else run.threshold
        ours = dataclasses.replace(ours, threshold=threshold, replay="split")
    return ours


def recommended_margin(method: str, *, split: bool) -> float:
    """Our margin of a student with a guide; `split` if there is a memory for each actor where
    the method asks for it.

    The multiplier aims at the limit on average, over states and over time: half of the averages
    lie above, hence `MARGIN`. Not where the guide takes over for good and its half of the memory
    lies in hazards: nothing can be avoided there, so that less is never reached. Nor under
    linear-decay: two of its five students ended at 2.0 and −1.4 (docs/results-sagui.md).
    """
    return 1.0 if method == "linear-decay" or (split and method in SPLIT) else MARGIN


def recommended_excursions(method: str) -> float:
    """Our share of the steps that the guide drives unasked (docs/sagui-causes.md)."""
    return EXCURSIONS if method == "budget-switch" else 0.0


def recommended_student(learning: SacSettings, *, rate: float = 0.1) -> SacSettings:
    """Our learner of a student that has a guide.

    A multiplier of this `rate` keeps pace with rewards of 0.02 a step, which the navigation tasks
    pay; it also cannot run away before the critics have learnt anything.
    """
    return dataclasses.replace(learning, multiplier_rate=rate, damping=0.0, cost_floor="guide")


def recommended_guide(learning: SacSettings) -> dict[str, Any]:
    """All settings of a guide that differ from the paper's, given the paper's learner.

    Only with the floor do the numbers of the guide's cost critic mean what they say. No policy
    keeps a limit in episodes that begin inside a hazard, so that a multiplier would grow for as
    long as it is trained: it stays at its first value, ln 2, and the limit decides which guide
    may be kept. Of those it is the one that does best as a guard: how far it moves, by which the
    paper's protocol chooses, says nothing of what its students cost. With the paper's entropy
    weight of 1 a guide shakes on the spot: a nat a step outweighs 0.02 m.
    """
    return {
        "learning": dataclasses.replace(
            learning, multiplier_rate=0.0, damping=0.0, cost_floor="zero"
        ),
        "entropy_weight": 0.005,
        "chosen": "guard",
        "outside": "open",
        "wander": 0.25,
    }


def taught(run: StudentRun) -> StudentRun:
    """Our settings for a student that also learns from what its guide met in the source.

    As `recommended`, and beyond: cost critics of positive numbers, inputs at one scale, source
    data at the price that the guide paid, and the whole limit for the multiplier to aim at, since
    such a student alone knows how an incident ends. It believes the mean of its reward critics, of
    rewards that are no hundredths, since it is held back where it knows little. Under
    budget-switch there is one memory for both actors, and the guide acts where it foresees twice
    the limit.
    """
    ours = recommended(run)
    if run.method not in NEEDS_GUIDE:
        return ours
    return dataclasses.replace(
        ours,
        source_data=True,
        source_price=SOURCE_PRICE,
        margin=1.0,
        threshold=EARLY,
        replay="ring" if run.method == "budget-switch" else ours.replay,
        learning=dataclasses.replace(
            _sighted(ours.learning), reward_scale=REWARD_SCALE, reward_critics="mean"
        ),
    )


def taught_guide(learning: SacSettings) -> dict[str, Any]:
    """All settings of the guide of such a student that differ from the paper's.

    As `recommended_guide`; and it reckons with a student that insists, has seen more of what
    others do, comes back to the extents, and keeps a sample of its memory.
    """
    ours = recommended_guide(learning)
    return ours | {
        "learning": _sighted(ours["learning"]),
        "outside": "homing",
        "insistence": 0.9,
        "wander": 0.4,
        "keep": KEPT,
    }


def _sighted(learning: SacSettings) -> SacSettings:
    return dataclasses.replace(learning, cost_critic="positive", inputs="scaled")


STUDENTS = {"paper": lambda run: run, "recommended": recommended, "taught": taught}
GUIDES = {"paper": lambda learning: {}, "recommended": recommended_guide, "taught": taught_guide}
