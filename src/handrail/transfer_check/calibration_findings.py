"""Can a student keep its limit, as its guide's cost critic counts? The findings, in plain words.

With the preset `recommended` the guide's cost critic is a floor of the student's own, and the
student's multiplier grows for as long as the mean of the floored critic lies above the aim: the
limit on the discounted scale, or the fraction of it that the student aims at. So a critic that is
biased upwards by more than the aim asks for what nobody can do: the multiplier grows without end,
and the student does nothing but avoid.

The states are those of the guide's own episodes within 1 / (1 − γ) steps of their beginning: later
it has mostly come to rest, which is no help to a student that is to get somewhere. It *hinders* a
student if both hold, by the lower ends of their intervals:

- the mean predicted there lies above the aim: a student that acts like its guide does not keep it;
- in more than half of these states more is predicted than the aim: it is not a few places that a
  student can go round.

If only the mean is above, that is noted. Where students aimed at half of their limit, one guide of
Static predicted 0.46 there (aim 0.25), in 55 % [48, 63] of the states more than the aim, and taught
a student that kept the limit; one of Semi-dynamic predicted 0.76 (aim 0.4), in 65 % [60, 69], and
its student stood still. One half of the states is thus no sharp border: what a student meets is not
what its guide meets.

How much more random actions predict says little by its size: one step changes little of what
follows, and good guides differ by a hundredth, too. It is noted if it is not above zero.
"""

from handrail.equations.budget import discounted_limit
from handrail.transfer_check.calibration import CriticCalibration
from handrail.transfer_check.finding import (
    TransferFinding,
    percent,
    percents,
    ratio_interval,
    written,
)
from handrail.transfer_check.measurement import Measurement

MOST_STATES = 0.5  # where more of the states are above the aim, there is no way round


def calibration_findings(
    measured: Measurement, limit: float, fraction: float
) -> tuple[TransferFinding, ...]:
    """The findings for a student that aims at a fraction of its limit, which is `limit` an episode,
    undiscounted.
    """
    scale = discounted_limit(limit, measured.discount, measured.limit_steps)
    source, target = measured.source.foresight, measured.target.foresight
    return (
        _predicted(source, target, limit, scale, fraction),
        _shares(source, target, fraction * scale),
        _apart(source, target),
    )


def _predicted(
    source: CriticCalibration,
    target: CriticCalibration,
    limit: float,
    scale: float,
    fraction: float,
) -> TransferFinding:
    before, after = (
        f"{written(ratio_interval(task.predicted))}, incurred "
        f"{written(ratio_interval(task.incurred))}"
        for task in (source, target)
    )
    aim = fraction * scale
    of_limit = "its limit" if fraction == 1 else f"{percent(fraction)} of its limit"
    mean = ratio_interval(target.predicted)
    blocked, wholly = (
        mean.low > most and ratio_interval(above).low > MOST_STATES
        for most, above in ((aim, target.above_aim), (scale, target.above_limit))
    )
    hinders = note = ""
    if blocked:
        remedies = ["train the guide longer"]
        if aim:
            remedies.append(f"raise the limit to {limit * float(mean.value) / aim:.2g}")
        if not wholly and fraction < 1:
            remedies.append("let the student aim at its whole limit (--set limit_fraction=1)")
        hinders = (
            f"soon after its start in the target it predicts {mean.value:.2g} on average where "
            f"{target.incurred.mean:.2g} follows (discounted), and over {aim:.2g} in "
            f"{percent(target.above_aim.mean)} of the states; a student whose cost critic it "
            f"floors (preset recommended) never believes less, yet is to get down to {aim:.2g}, "
            f"{of_limit}: unless it stays where less is predicted, its multiplier grows "
            f"without end, and it does nothing but avoid; {', or '.join(remedies)}"
        )
    elif mean.low > aim:
        note = (
            f"soon after its start in the target it predicts {mean.value:.2g} on average, more "
            f"than a student aims at ({aim:.2g}, {of_limit}, discounted): one that it teaches has "
            "to keep to places where it predicts less"
        )
    return TransferFinding(
        "cost predicted soon after its start, and incurred from there on, discounted",
        before, after, f"target ≤ {aim:.2g}, {of_limit}", hinders=hinders, note=note,
    )  # fmt: skip


def _shares(source: CriticCalibration, target: CriticCalibration, aim: float) -> TransferFinding:
    before, after = (percents(ratio_interval(task.above_aim)) for task in (source, target))
    return TransferFinding(f"states there in which it predicts over {aim:.2g}", before, after, "")


def _apart(source: CriticCalibration, target: CriticCalibration) -> TransferFinding:
    before, after = (ratio_interval(task.apart) for task in (source, target))
    note = ""
    if not after.low > 0:
        note = (
            "in the target its cost critic is not shown to tell its own actions from random ones: "
            "a student can learn from it where not to be, but not what not to do"
        )
    return TransferFinding(
        "more predicted of random actions, also after takeovers",
        written(before, 3), written(after, 3), "above 0", note=note,
    )  # fmt: skip
