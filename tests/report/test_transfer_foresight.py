"""A guide whose cost critic counts costs that nobody causes is caught; a just one passes."""

import dataclasses

import numpy as np
import pytest

from handrail.equations.budget import discounted_limit
from handrail.transfer_check import verdict
from handrail.transfer_check.calibration import calibrate
from handrail.transfer_check.calibration_findings import calibration_findings as findings
from handrail.transfer_check.finding import TransferFinding
from handrail.transfer_check.measurement import Measurement, TaskMeasurement
from handrail.transfer_check.neighbours import PerEpisode
from handrail.transfer_check.rollouts import Visits
from handrail.transfer_check.verdict import TransferVerdict

LIMIT = 8.0  # an episode; 0.8 discounted, and half of it 0.4
EPISODES, STEPS = 40, 30
NONE = PerEpisode(np.zeros(EPISODES), np.zeros(EPISODES))
SCALE = discounted_limit(LIMIT, 0.99, 1000)


def visits(predicted, *, random=0.02, handed_over=None) -> Visits:
    """Episodes in which the guide predicts `predicted`, and `random` more of random actions."""
    shape = (EPISODES, STEPS)
    predicted = np.broadcast_to(predicted, shape).astype(np.float32)
    return Visits(
        views=np.zeros((*shape, 1), np.float32),
        costs=np.zeros(shape, np.float32),
        predicted=predicted,
        predicted_random=predicted + np.float32(random),
        running=np.ones(shape, bool),
        terminated=np.zeros(EPISODES, bool),
        handed_over=np.zeros(EPISODES, int) if handed_over is None else handed_over,
    )


def found(target: Visits, *, source: Visits | None = None, limit=LIMIT, fraction=0.5):
    """The findings: what is predicted, the shares above the aim, random actions."""
    scale = discounted_limit(limit, 0.99, 1000)

    def task(episodes: Visits) -> TaskMeasurement:
        seen = calibrate(
            episodes,
            episodes.running,
            np.full((EPISODES, STEPS), 0.01),
            aim=fraction * scale,
            limit=scale,
        )
        nothing = np.zeros(EPISODES)
        return TaskMeasurement(nothing, nothing, nothing, nothing, NONE, NONE, seen, 0)

    measured = Measurement(task(source or target), task(target), (), {}, {}, 0.99)
    return findings(measured, limit, fraction)


def just() -> np.ndarray:
    """A little is predicted in most states, and much in a few."""
    draws = np.random.default_rng(0)
    return np.where(draws.random((EPISODES, STEPS)) < 0.05, 1.5, draws.uniform(-0.1, 0.1))


def test_an_unbiased_critic_passes():
    predicted, *others = found(visits(just()))
    assert not (predicted.hinders or predicted.note)
    assert not any(other.wrong or other.hinders or other.note for other in others)
    assert predicted.target.startswith("0.07 [0.0")
    assert predicted.target.endswith("incurred 0.01 [0.01, 0.01]")


def test_a_constant_bias_is_caught():
    """Half a cost more is predicted everywhere; only the numbers of the target matter."""
    biased, shares, _ = found(visits(just() + 0.5), source=visits(just()))
    assert "predicts 0.53 on average where 0.01 follows" in biased.hinders
    assert "50.0% of its limit" in biased.hinders and "over 0.4 in 100.0%" in biased.hinders
    assert "raise the limit to 11, or let the student aim at its whole" in biased.hinders
    assert shares.target == "100.0% [100.0%, 100.0%]"
    assert not found(visits(just()), source=visits(just() + 0.5))[0].hinders


def test_a_student_that_aims_at_its_whole_limit_is_judged_by_that():
    """As those of the preset `recommended` do: 0.53 is below 0.8."""
    assert not found(visits(just() + 0.5), fraction=1.0)[0].hinders
    hinders = found(visits(just() + 1.0), fraction=1.0)[0].hinders
    assert "down to 0.8, its limit: unless" in hinders and "whole" not in hinders


def test_where_the_whole_limit_is_out_of_reach_a_margin_is_no_remedy():
    biased = found(visits(just() + 1.0))[0]
    assert "train the guide longer, or raise the limit to 21" in biased.hinders
    assert "margin" not in biased.hinders


def test_the_advised_limit_would_do():
    """What is said to help passes, if only just."""
    predicted = visits(np.full((EPISODES, STEPS), 0.5))
    advised = float(found(predicted)[0].hinders.split("raise the limit to ")[1].split(",")[0])
    assert advised == pytest.approx(10.0)
    assert not found(predicted, limit=advised * 1.01)[0].hinders


def test_a_few_places_with_much_foreseen_are_noted_alone():
    """The mean is above the aim, but two thirds of the states are not: there is a way round."""
    uneven = np.where(np.arange(STEPS) % 3 == 0, 2.0, 0.0)
    finding = found(visits(uneven))[0]
    assert not finding.hinders
    assert "predicts 0.67 on average, more than a student aims at (0.4" in finding.note


def test_noise_is_no_fault():
    """One episode in twenty predicts much: the mean is above the aim, its interval is not."""
    lucky = np.where(np.arange(EPISODES)[:, None] % 20 == 0, 10.0, 0.0)
    finding = found(visits(lucky))[0]
    assert float(finding.target.split()[0]) > 0.4
    assert not (finding.hinders or finding.note)


def test_a_limit_of_nothing_cannot_be_kept():
    assert found(visits(just() + 0.5), limit=0.0)[0].hinders


@pytest.mark.parametrize("apart", [0.0, -0.01])
def test_a_critic_that_does_not_tell_actions_apart_is_noted(apart):
    assert (
        "not shown to tell its own actions from random ones"
        in found(visits(just() + 0.2, random=apart))[2].note
    )


def test_states_count_where_the_guide_acts_alone():
    """By hand, against plain loops; random actions are compared after takeovers, too."""
    draws = np.random.default_rng(1)
    begins = np.where(np.arange(EPISODES) % 2 == 0, 0, 5)
    seen = visits(draws.normal(size=(EPISODES, STEPS)), random=0.3, handed_over=begins)
    counted = draws.random((EPISODES, STEPS)) < 0.5
    followed = draws.random((EPISODES, STEPS))
    ours = calibrate(seen, counted, followed, aim=0.4, limit=0.8)
    for one in range(EPISODES):
        steps = np.flatnonzero(counted[one])
        alone = steps if begins[one] == 0 else []
        own = [max(float(seen.predicted[one, step]), 0.0) for step in alone]
        assert ours.predicted.sums[one] == pytest.approx(sum(own))
        assert ours.predicted.counts[one] == len(own)
        assert ours.incurred.sums[one] == pytest.approx(sum(followed[one, step] for step in alone))
        assert ours.above_aim.sums[one] == sum(value > 0.4 for value in own)
        assert ours.above_limit.sums[one] == sum(value > 0.8 for value in own)
        more = [
            max(float(seen.predicted_random[one, step]), 0)
            - max(float(seen.predicted[one, step]), 0)
            for step in steps
        ]
        assert ours.apart.sums[one] == pytest.approx(sum(more), abs=1e-5)
        assert ours.apart.counts[one] == len(steps)


def test_a_verdict_tells_danger_from_hindrance():
    fine = TransferFinding("q", "1", "2", "less")
    wrong, hinders = (dataclasses.replace(fine, **{what: "X"}) for what in ("wrong", "hinders"))
    assert TransferVerdict((fine,)).passed
    stuck = TransferVerdict((fine, hinders))
    assert stuck.trusted and not stuck.passed
    assert "may be trusted" in stuck.text and "not likely to learn from it: X." in stuck.text
    both = TransferVerdict((wrong, hinders))
    assert not both.trusted and not both.passed
    assert both.text == (
        "The guide is not shown to be safe, because X. Nor is a student likely to learn from it: X."
    )


NOTHING_SEEN = calibrate(
    visits(0.0), np.ones((EPISODES, STEPS), bool), np.zeros((EPISODES, STEPS)), aim=1.0, limit=1.0
)


def measured_task(*, own=(0.0,) * 40, handed=(0.0,) * 4, handed_lengths=(9, 9, 9, 9)):
    own = np.asarray(own)
    return TaskMeasurement(
        own, np.full(len(own), 10), np.asarray(handed), np.asarray(handed_lengths), NONE, NONE,
        NOTHING_SEEN, 0,
    )  # fmt: skip


def test_a_takeover_that_never_came_is_no_proof():
    """The explorer fell before: 0 is then the cost of nothing."""
    fine, fallen = measured_task(), measured_task(handed_lengths=(0, 0, 0, 0))
    assert not verdict.handed(fine, fine, 5.0).wrong
    for source, target, where in ((fine, fallen, "target"), (fallen, fine, "source")):
        assert f"in the {where} the explorer ended" in verdict.handed(source, target, 5.0).wrong
    some = measured_task(handed=(0.0, 0.0, 0.0, 8.0), handed_lengths=(0, 0, 0, 9))
    assert verdict.handed(fine, some, 5.0).target.startswith("8.00")


def test_few_episodes_without_a_cost_say_little():
    few, many = measured_task(own=(0.0,) * 4), measured_task()
    found = verdict.unsafe(few, few)
    assert "leave up to 60.2% of episodes" in found.note and "[0.0%, 60.2%]" in found.target
    assert not verdict.unsafe(many, many).note
