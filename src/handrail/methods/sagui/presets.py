"""Our settings, by the name of a preset: what differs from the paper's.

Why they differ is in docs/notebook/causes.md and docs/results/static.md.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from handrail.equations.budget import discounted_limit
from handrail.methods.sagui.settings import EARLY, LIMIT_STEPS, SacSettings, StudentRun
from handrail.methods.sagui.table import METHODS

Own = TypeVar("Own", bound=StudentRun)

TAKEOVER_STEPS = 2.0
"""Steps of harm whose cost, predicted of a proposed action, makes a guide take over."""
SOURCE_STEPS = 100_000
"""Steps of the source that a guide keeps, where a student learns from them."""
REWARD_SCALE = 10.0
"""What rewards of 0.02 a step are multiplied by, where the mean of the critics is used."""
RATE = 0.1
"""Of the multiplier of students in the tasks that come with handrail."""
SOURCE_PRICE = math.log(2)
"""Price of a cost in the source: what our guides pay (the multiplier's first value)."""

TAKEOVER_SHARES = (0.5, 0.2, 0.1, 0.05)
"""Of two steps' cost: where a guide in an environment of the user's that fails its shield test is
tried to take over earlier."""
OWN_GUIDE: Mapping[str, Any] = {
    "learning": SacSettings(multiplier_rate=10.0, damping=0.0, cost_floor="zero"),
    "selection": "shield",
    "random_action_share": 0.25,
}
"""Settings of a guide in an environment of the user's that differ from the paper's."""


def default_limit_fraction(method: str, *, split: bool) -> float:
    """The share of the limit that the multiplier of a method's student aims at.

    `split` says whether there is a memory for each actor where the method asks for it.
    """
    row = METHODS[method]
    return 1.0 if split and row.split_replay else row.default_limit_fraction


def recommended(run: StudentRun) -> StudentRun:
    """Our settings for a student with a guide; other methods keep the paper's.

    The guide's cost critic is a floor of the student's own, in place of distillation and
    importance weights; the multiplier is slow, undamped, and looks at the policy's own actions.
    The student also learns costs from steps of the source, at the price that its guide paid, and
    believes the mean of its reward critics. The ablations of distillation keep it. An untrained
    guide has met nothing in the source: its student has those of `tuned_on_static`.
    """
    row = METHODS[run.method]
    if not row.needs_guide:
        return tuned_on_static(run)
    ours = _guided(run, rate=RATE)
    return dataclasses.replace(
        ours,
        source_data=True,
        source_price=SOURCE_PRICE,
        limit_fraction=1.0,
        threshold=EARLY,
        replay=run.replay if row.when is None else "ring",
        learning=dataclasses.replace(
            _scaled(ours.learning), reward_scale=REWARD_SCALE, reward_critics="mean"
        ),
    )


def recommended_guide(learning: SacSettings) -> dict[str, Any]:
    """All settings of the guide of such a student that differ from the paper's."""
    ours = guide_tuned_on_static(learning)
    return ours | {
        "learning": _scaled(ours["learning"]),
        "outside": "homing",
        "action_repeat_prob": 0.9,
        "random_action_share": 0.4,
        "keep": SOURCE_STEPS,
    }


def tuned_on_static(run: StudentRun) -> StudentRun:
    """What `recommended` was at first, of which there are recorded runs: without source
    data, and under budget-switch with two memories and a takeover at two steps' cost.
    """
    row = METHODS[run.method]
    if not row.has_guide:
        return run
    ours = dataclasses.replace(
        _guided(run, rate=RATE), limit_fraction=default_limit_fraction(run.method, split=True)
    )
    if row.predicts:
        scale = discounted_limit(run.limit, run.learning.discount, LIMIT_STEPS)
        threshold = TAKEOVER_STEPS / scale if scale else run.threshold
        ours = dataclasses.replace(ours, threshold=threshold)
    if row.when is not None:
        ours = dataclasses.replace(ours, replay="split")
    return ours


def guide_tuned_on_static(learning: SacSettings) -> dict[str, Any]:
    """All settings of the guide of such a student that differ from the paper's."""
    return {
        "learning": dataclasses.replace(
            learning, multiplier_rate=0.0, damping=0.0, cost_floor="zero"
        ),
        "entropy_weight": 0.005,
        "selection": "shield",
        "outside": "open",
        "random_action_share": 0.25,
    }


def _guided(run: Own, *, rate: float) -> Own:
    """What all our students have in common, whose multiplier has this `rate`."""
    row = METHODS[run.method]
    learning = run.learning
    if row.has_guide:
        learning = dataclasses.replace(
            learning, multiplier_rate=rate, damping=0.0, cost_floor="guide"
        )
    return dataclasses.replace(
        run,
        distillation=run.distillation if row.strength else "none",
        density="exact",
        weighting="none",
        multiplier_on="policy_actions",
        guide_interval_share=row.guide_interval_share,
        learning=learning,
    )


def own_student(run: Own) -> Own:
    """Our settings for a student in an environment of the user's, which says nothing of scales.

    One replay for both actors, no importance weights, and a multiplier that looks at what the
    student would do now. Those of on-policy methods are the published ones.
    """
    row = METHODS[run.method]
    if row.agent is not None:
        return run
    return dataclasses.replace(
        _guided(run, rate=1.0),
        threshold=None,
        limit_fraction=default_limit_fraction(run.method, split=False),
        source_price=SOURCE_PRICE,
        replay="ring",
    )


def _scaled(learning: SacSettings) -> SacSettings:
    return dataclasses.replace(learning, cost_critic="positive", inputs="scaled")


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings by one name."""

    student: Callable[[StudentRun], StudentRun]
    guide: Callable[[SacSettings], Mapping[str, Any]]


PRESETS = {
    "paper": Preset(lambda run: run, lambda learning: {}),
    "recommended": Preset(recommended, recommended_guide),
    "tuned-on-static": Preset(tuned_on_static, guide_tuned_on_static),
}
OLD_PRESETS = ("taught", "source-data")
"""What `recommended` was called while it was not the default."""
