"""The presets of ours: they change students with a guide, and their guide."""

import math

import pytest

from handrail.core import renamed
from handrail.core.errors import HandrailError
from handrail.methods.sagui.settings import SacSettings
from handrail.methods.sagui.train_student import splits
from handrail.tasks.navigation.family import resolve_settings

TASK = {"environment": "navigation-static"}
OLD = "tuned-on-static"


def test_tuned_on_static_a_student_learns_from_what_its_guide_foresees():
    row = resolve_settings({**TASK, "method": "budget-switch", "preset": OLD})
    run = row.run
    assert run.threshold == pytest.approx(4.0, rel=1e-3)
    assert (splits(run), run.distillation, run.guide_interval_share) == (True, "none", 0.1)
    assert (run.limit, run.limit_fraction) == (5.0, 0.5)
    assert (run.weighting, run.multiplier_on, run.learning.cost_floor) == (
        "none",
        "policy_actions",
        "guide",
    )
    assert (run.learning.multiplier_rate, run.learning.damping) == (0.1, 0.0)
    assert (
        row.knowledge["guide"] is not None and row.knowledge["guide"].learning.cost_floor == "zero"
    )
    assert (
        row.knowledge["guide"].learning.multiplier_rate,
        row.knowledge["guide"].learning.damping,
    ) == (0.0, 0.0)
    assert (row.knowledge["guide"].outside, row.knowledge["guide"].entropy_weight) == (
        "open",
        0.005,
    )
    assert (row.knowledge["guide"].random_action_share, row.knowledge["guide"].selection) == (
        0.25,
        "shield",
    )


def test_the_preset_of_the_paper_is_that_of_the_scripts():
    row = resolve_settings({**TASK, "method": "control-switch"})
    assert row.run.learning == SacSettings() and row.knowledge["guide"] is not None
    assert (
        row.knowledge["guide"].learning == SacSettings()
        and row.knowledge["guide"].selection == "return"
    )
    assert (row.run.distillation, row.run.weighting, row.run.multiplier_on) == (
        "authors", "squared", "replay_actions",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "limit_fraction"), [("control-switch", 1.0), ("linear-decay", 1.0), ("stusam", 0.5)]
)
def test_what_only_budget_switch_has(method, limit_fraction):
    old = resolve_settings({**TASK, "method": method, "preset": OLD})
    assert (old.run.guide_interval_share, old.run.limit_fraction) == (0.0, limit_fraction)
    row = resolve_settings({**TASK, "method": method, "preset": "recommended"})
    assert (row.run.guide_interval_share, row.run.limit_fraction) == (0.0, 1.0)


@pytest.mark.parametrize("method", ["fixreg", "decreg"])
def test_ablations_of_the_pull_keep_it(method):
    row = resolve_settings({**TASK, "method": method, "preset": "recommended"})
    assert row.run.distillation == "authors" and row.run.learning.cost_floor == "guide"


@pytest.mark.parametrize("method", ["sac-lagrangian", "sac-pre", "egpo"])
def test_baselines_keep_the_papers_settings(method):
    assert resolve_settings(
        {**TASK, "method": method, "preset": "recommended"}
    ) == resolve_settings({**TASK, "method": method})


def test_what_is_given_wins_over_the_preset():
    given = {"learning.multiplier_rate": 5.0, "density": "authors"}
    row = resolve_settings({**TASK, "method": "control-switch", "preset": "recommended", **given})
    assert (row.run.learning.multiplier_rate, row.run.density) == (5.0, "authors")
    assert (
        row.knowledge["guide"] is not None
        and row.knowledge["guide"].learning.multiplier_rate == 5.0
    )


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(HandrailError, match="unknown preset 'best': known are paper, rec"):
        resolve_settings({**TASK, "method": "sac-lagrangian", "preset": "best"})


def test_a_student_sees_what_its_guide_met():
    old, ours = (
        resolve_settings({**TASK, "method": "budget-switch", "preset": preset})
        for preset in (OLD, "recommended")
    )
    run = ours.run
    assert (run.source_data, run.limit_fraction, splits(run)) == (True, 1.0, False)
    assert run.source_price == pytest.approx(math.log(2))  # what its guide paid
    assert (run.learning.cost_critic, run.learning.inputs) == ("positive", "scaled")
    assert (run.learning.reward_critics, run.learning.reward_scale) == ("mean", 10.0)
    assert run.threshold == 2.0  # times the limit
    for name in ("guide_interval_share", "distillation", "weighting", "multiplier_on"):
        assert getattr(run, name) == getattr(old.run, name)
    guide = ours.knowledge["guide"]
    assert guide is not None and guide.learning.cost_floor == "zero"
    assert (guide.learning.reward_critics, guide.learning.reward_scale) == ("lowest", 1.0)
    assert (guide.learning.cost_critic, guide.learning.inputs) == ("positive", "scaled")
    assert (guide.outside, guide.action_repeat_prob, guide.random_action_share) == (
        "homing",
        0.9,
        0.4,
    )
    assert (guide.selection, guide.keep) == ("shield", 100_000)


@pytest.mark.parametrize("name", ["taught", "source-data"])
def test_old_names_are_the_recipe_of_today(name, caplog, monkeypatch):
    monkeypatch.setattr(renamed, "_WARNED", set())
    old = resolve_settings({**TASK, "method": "budget-switch", "preset": name})
    assert f"the preset {name!r} is now called 'recommended'" in caplog.text
    assert old == resolve_settings({**TASK, "method": "budget-switch", "preset": "recommended"})


@pytest.mark.parametrize("method", ["sac-lagrangian", "sac-pre", "egpo", "random-guide"])
def test_without_a_guide_from_the_source_there_are_no_steps_of_it(method):
    ours, old = (
        resolve_settings({**TASK, "method": method, "preset": preset})
        for preset in ("recommended", OLD)
    )
    assert ours == old and not ours.run.source_data
