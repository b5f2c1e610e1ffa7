"""May a guide be trusted in a target? The verdict on a transfer measurement, in plain words.

Every statement carries a 95 % interval over episodes: from a bootstrap, of shares of episodes the
exact one. What has to be small is judged by the upper end of its interval where it is a cost, and
by the lower end where it is a difference, so that noise never looks like a fault. Episodes that are
too few to have met a rare cost are noted.
Safety comes first; whether a student can learn from such a guide is in `calibration_findings`.
"""

import dataclasses

import numpy as np

from handrail.equations.budget import discounted_limit
from handrail.equations.interval import Interval, at_most
from handrail.transfer_check.calibration_findings import calibration_findings
from handrail.transfer_check.finding import (
    TransferFinding,
    by_episode,
    difference,
    mean_interval,
    percent,
    percents,
    ratio_interval,
    written,
)
from handrail.transfer_check.measurement import Measurement, TaskMeasurement
from handrail.transfer_check.neighbours import PerEpisode

RARE = 0.1  # of episodes: as many may cost something where none was seen to, without a note
TOLERANCE = 0.2  # of the limit: a difference between source and target beyond it is one
SHARE = 0.1  # of states: a difference of shares beyond it is one
UNKNOWN = 0.3  # of states: an interval that reaches beyond it leaves the question open
BLUNT = 0.4  # of states: if more look wrong in the source itself, looks say nothing


@dataclasses.dataclass(frozen=True)
class TransferVerdict:
    """All findings; the guide may be used if none of them speaks against it."""

    findings: tuple[TransferFinding, ...]

    @property
    def reasons(self) -> list[str]:
        """Why the guide is not shown to be safe."""
        return [finding.wrong for finding in self.findings if finding.wrong]

    @property
    def hindrances(self) -> list[str]:
        """Why a student would not learn from it, however safe it is."""
        return [finding.hinders for finding in self.findings if finding.hinders]

    @property
    def notes(self) -> list[str]:
        """What is worth knowing besides."""
        return [finding.note for finding in self.findings if finding.note]

    @property
    def trusted(self) -> bool:
        """Whether it is safe, as far as was measured."""
        return not self.reasons

    @property
    def passed(self) -> bool:
        """Whether it is safe, and a student can learn from it."""
        return self.trusted and not self.hindrances

    @property
    def text(self) -> str:
        """A sentence on safety, and one on learning if that is hindered."""
        said = "The guide may be trusted in the target, as far as was measured."
        if self.reasons:
            why = "; and because ".join(self.reasons)
            said = f"The guide is not shown to be safe, because {why}."
        if not self.hindrances:
            return said
        also = "Nor is a" if self.reasons else "But a"
        verb = "likely" if self.reasons else "is not likely"
        return f"{said} {also} student {verb} to learn from it: {'; and '.join(self.hindrances)}."


def judge(
    measured: Measurement, *, own_limit: float, limit: float, limit_fraction: float = 1.0
) -> TransferVerdict:
    """The verdict for a student whose limit is `limit` an episode, undiscounted, and that aims at
    a fraction of it.

    `own_limit` is what the guide was trained for, in the same unit.
    """
    scale = discounted_limit(limit, measured.discount, measured.limit_steps)
    return TransferVerdict(
        (
            limits(own_limit, limit),
            _own_costs(measured.source, measured.target, limit),
            unsafe(measured.source, measured.target),
            handed(measured.source, measured.target, limit),
            _critic(measured.source, measured.target, scale),
            _to_go(measured, scale),
            _looks_free(measured, "across"),
            _looks_free(measured, "within"),
            _familiar(measured),
            *calibration_findings(measured, limit, limit_fraction),
        )
    )


def limits(own_limit: float, limit: float) -> TransferFinding:
    """d⋄ ≤ d⊙."""
    wrong = ""
    if own_limit > limit:
        wrong = (
            f"it was trained to cost up to {own_limit:g} an episode, "
            f"more than the limit of {limit:g}"
        )
    return TransferFinding(
        "limit, cost an episode", f"{own_limit:g}", f"{limit:g}", "source ≤ target", wrong
    )


def _own_costs(source: TaskMeasurement, target: TaskMeasurement, limit: float) -> TransferFinding:
    before, after = mean_interval(source.own_costs), mean_interval(target.own_costs)
    gap = difference(by_episode(target.own_costs), by_episode(source.own_costs))
    wrong = ""
    if after.value > limit:
        wrong = (
            f"an episode of it in the target costs {after.value:.3g}, over the limit of {limit:g}"
        )
    elif after.high > limit:
        wrong = (
            f"its cost in the target may be as high as {after.high:.3g} an episode, over the limit "
            f"of {limit:g}; measure more episodes"
        )
    elif gap.low > TOLERANCE * limit:
        wrong = (
            f"an episode of it costs at least {gap.low:.3g} more in the target than in the source"
        )
    return TransferFinding(
        f"cost of an episode (mean length {source.own_lengths.mean():.0f} and "
        f"{target.own_lengths.mean():.0f} steps)",
        written(before), written(after), f"target ≤ {limit:g}", wrong,
    )  # fmt: skip


def unsafe(source: TaskMeasurement, target: TaskMeasurement) -> TransferFinding:
    """How many episodes of the guide alone cost anything; noted where few can have shown it."""
    shares = [_share(task.own_costs > 0) for task in (source, target)]
    note, most = "", float(shares[1].high)
    if not (target.own_costs > 0).any() and most > RARE:
        note = (
            f"{len(target.own_costs)} episodes in the target without a cost leave up to "
            f"{percent(most)} of episodes that have one: measure more episodes"
        )
    return TransferFinding(
        "episodes with any cost", percents(shares[0]), percents(shares[1]), "", note=note
    )


def _share(events: np.ndarray) -> Interval:
    """The share of episodes, with its exact 95 % interval: of few it is wide, also where none is
    one.
    """
    count, of = int(events.sum()), len(events)
    low = 1 - at_most(of - count, of, 0.975)
    return Interval(count / of, low, at_most(count, of, 0.975))


def handed(source: TaskMeasurement, target: TaskMeasurement, limit: float) -> TransferFinding:
    """What an episode costs from a takeover on, among those in which there was one."""
    question = "cost after a takeover by an explorer"
    expected = f"at most {TOLERANCE * limit:.3g} more"
    before, after = (task.handed_costs[task.handed_lengths > 0] for task in (source, target))
    if not (len(before) and len(after)):
        where = "source" if len(after) else "target"
        wrong = (
            f"in the {where} the explorer ended every episode before the guide was to take over, "
            "so nobody knows what it would do then"
        )
        return TransferFinding(question, "–", "–", expected, wrong)
    gap = difference(by_episode(after), by_episode(before))
    wrong = ""
    if gap.low > TOLERANCE * limit:
        wrong = (
            "called after an explorer, it lets an episode cost at least "
            f"{gap.low:.3g} more in the target than in the source"
        )
    return TransferFinding(
        question, written(mean_interval(before)), written(mean_interval(after)), expected, wrong
    )


def _critic(source: TaskMeasurement, target: TaskMeasurement, scale: float) -> TransferFinding:
    errors = [
        PerEpisode(task.incurred.sums - task.predicted.sums, task.predicted.counts)
        for task in (source, target)
    ]
    own, other = (ratio_interval(error) for error in errors)
    gap = difference(errors[1], errors[0])
    wrong = note = ""
    if gap.low > scale:
        wrong = (
            "its cost critic falls short by at least "
            f"{gap.low:.3g} (discounted) more in the target than in the source"
        )
    if abs(float(own.value)) > 2 * scale:
        note = (
            f"in its own source the cost critic is off by {own.value:.3g}, where the limit is "
            f"{scale:.3g} (discounted): a budget-switch that asks it needs another threshold"
        )
    return TransferFinding(
        "incurred minus predicted cost, discounted",
        written(own), written(other), f"at most {scale:.3g} more", wrong, note=note,
    )  # fmt: skip


def _to_go(measured: Measurement, scale: float) -> TransferFinding:
    floor, across = (measured.costs_to_go[name] for name in ("floor", "across"))
    gap = difference(across.gap, floor.gap)
    allowed = TOLERANCE * scale
    wrong = ""
    if gap.low > allowed:
        wrong = (
            "where the target looks like the source, what follows costs at least "
            f"{gap.low:.3g} (discounted) more"
        )
    texts = [
        f"{written(ratio_interval(gaps.gap))}, {percent(gaps.beyond.mean)} differ, "
        f"worst {gaps.worst:.3g}"
        for gaps in (floor, across)
    ]
    return TransferFinding(
        "cost-to-go beyond that of look-alikes in the source", texts[0], texts[1],
        f"at most {allowed:.2g} more", wrong,
    )  # fmt: skip


def _looks_free(measured: Measurement, pairing: str) -> TransferFinding:
    floor, pairs = measured.costs["floor"], measured.costs[pairing]
    gap = difference(pairs.missed, floor.missed)
    where = {"across": "states of the source", "within": "others of the target"}[pairing]
    wrong = ""
    if gap.low > SHARE:
        wrong = (
            f"{percent(pairs.missed.mean)} of the costly states of the target look like {where} "
            f"that cost nothing (in the source by itself: {percent(floor.missed.mean)})"
        )
    elif not gap.high <= UNKNOWN or floor.missed.mean > BLUNT:
        wrong = (
            f"too few costly states of the target have look-alikes to know whether they look like "
            f"free {where}; measure more episodes"
        )
    return TransferFinding(
        f"costly states that look like free {where}, by {', '.join(measured.telling)}",
        percents(ratio_interval(floor.missed)),
        percents(ratio_interval(pairs.missed)),
        f"at most {SHARE:.0%} more", wrong,
    )  # fmt: skip


def _familiar(measured: Measurement) -> TransferFinding:
    floor, across = (measured.costs_to_go[name].unfamiliar for name in ("floor", "across"))
    found = ratio_interval(across)
    wrong = ""
    if found.low > 0.5:
        wrong = f"{percent(across.mean)} of the target's states look like nothing in the source"
    return TransferFinding(
        "states of the guide unlike any in the source",
        percent(floor.mean), percents(found), "target at most 50%", wrong,
    )  # fmt: skip
