"""From settings to plans: defaults, seeds, shared guides, mistakes by name."""

import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.experiments.plan import plan
from handrail.experiments.schema import names, read
from handrail.methods.sagui.train_student import check
from handrail.tasks.navigation.family import resolve_settings


def test_task_defaults_are_those_of_the_paper():
    static = resolve_settings({"environment": "navigation-static"})
    assert (static.run.learning.hidden, static.run.learning.batch) == ((32, 32), 32)
    assert (static.run.steps, static.run.limit, static.knowledge["guide"].limit) == (
        1_500_000,
        5.0,
        1.0,
    )
    dynamic = resolve_settings({"environment": "navigation-dynamic-without-vases"})
    assert (dynamic.run.learning.hidden, dynamic.run.limit) == ((256, 256), 25.0)
    assert dynamic.knowledge["guide"].learning == dynamic.run.learning


def test_every_seed_has_its_own_guide_unless_told_otherwise():
    seeds = [{"seed": seed, "environment": "navigation-static"} for seed in (3, 4)]
    assert [resolve_settings(one).knowledge["guide"].seed for one in seeds] == [3, 4]
    assert [resolve_settings(one | {"guides": "one"}).knowledge["guide"].seed for one in seeds] == [
        0,
        0,
    ]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("sagui-")])
def test_every_experiment_can_be_planned(tmp_path, name):
    experiment = read(name)
    assert experiment.report in ("navigation", "parameter-sweep", "coverage", "robustness")
    assert experiment.title and experiment.question
    for budget in ("quick", "paper"):
        planned = plan(experiment, budget, None, tmp_path)
        assert len(planned) == len(experiment.budgets[budget].seeds) * len(experiment.variants)
        assert len({task.folder for _, task in planned}) == len(planned)
        for row, task in planned:
            run = task.settings.run
            assert (run.environment, run.seed) == (row.environment, row.seed)
            check(run, dict(**{need.kind: need.folder for need in task.needs}))
            guide = task.settings.knowledge.get("guide")
            assert guide is None or guide.limit <= run.limit


def test_an_experiment_shares_its_guides(tmp_path):
    planned = plan(read("sagui-static"), "quick", None, tmp_path)
    needs = {row.variant: [task.kind for task in task.needs] for row, task in planned}
    assert needs["control-switch"] == ["guide"] and needs["scratch"] == []
    assert (needs["egpo"], needs["pretrained"]) == (["expert"], ["pretrained"])
    guides = {
        row.variant: id(task.needs[0]) for row, task in planned if needs[row.variant] == ["guide"]
    }
    presets = {"as published": set(), "tuned on Static": set(), "": set()}
    for variant, guide in guides.items():
        presets[next(name for name in presets if name in variant)].add(guide)
    assert len(guides) == 10 and len(set().union(*presets.values())) == 3
    assert all(len(shared) == 1 for shared in presets.values())


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"method": "control"}, "unknown method 'control'.*control-switch"),
        ({"environment": "navigation-semi-static"}, "unknown navigation task"),
        ({"steps": 1050}, "steps is 1050: expected a positive multiple of epoch"),
        ({"epoch": 110}, "epoch is 110: expected a positive multiple of 100"),
        ({"guide.limits": 1.0}, "unknown setting of GuideSettings 'guide.limits'.*'guide.limit'"),
        ({"guide.limit_fraction": -1}, "guide.limit_fraction is -1"),
        ({"guides": "two"}, "guides is 'two'"),
    ],
)
def test_mistakes_in_settings_are_named(own, message):
    with pytest.raises((HandrailError, UnknownName), match=message):
        resolve_settings({"environment": "navigation-static", **own})
