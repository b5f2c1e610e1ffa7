"""Environments of the user's in experiment files, and in `handrail train` and `evaluate`."""

import json
from pathlib import Path

import pytest

from handrail.cli import evaluate as evaluation
from handrail.cli.reproduce import reproduce
from handrail.cli.train import resume, train_one
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.records import read_table
from handrail.engines.base import AbstractEngine
from handrail.envs.gymnasium.building import closes_environments
from handrail.experiments import launch
from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.methods.sagui.shield import STEPS
from handrail.methods.sagui.train_student import student_loop
from handrail.tasks.own.family import OWN_ENVIRONMENTS
from handrail.tasks.own.problems import source_of, target_of
from handrail.tasks.own.resolve import resolve
from tests.experiments import own_walker

HOME = "tests.experiments.own_walker"
LEARNING = {
    "hidden": [4], "batch": 4, "train_every": 20, "updates": 2, "learning_starts": 40,
    "replay": 500,
}  # fmt: skip
SMALL = {
    "limit": 5.0, "episode_length": 20, "steps": 80, "epoch": 40, "test_episodes": 1,
    "cost_fn": f"{HOME}:steep", "guide.bonus_fn": f"{HOME}:moved", "guide.steps": 80,
    "guide.epoch": 40, "guide.shield_episodes": 2, "guide.evaluation_episodes": 1,
    **{f"learning.{name}": value for name, value in LEARNING.items()},
    **{f"guide.learning.{name}": value for name, value in LEARNING.items()},
}  # fmt: skip
RUN = {"environment": f"{HOME}:make", "seed": 1, **SMALL}
NAMED = {"environment": f"{HOME}:make"}
FILE = f"""
title = "A walker of mine"
environments = ["{HOME}:make"]
[base]
{chr(10).join(f"{name} = {json.dumps(value)}" for name, value in SMALL.items())}
[variants]
guided = {{ method = "budget-switch" }}
alone = {{ method = "sac-lagrangian", shield = "{HOME}:careful" }}
[budgets.quick]
seeds = [0]
"""


class Here(AbstractEngine):
    """Computes in this process."""

    def compute(self, tasks, follow, *, vmapped=False):
        for task in tasks:
            for one in (*task.needs, task):
                launch.work(one)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.toml").write_text(FILE)
    page, tables = reproduce(
        str(folder / "mine.toml"), out=folder / "runs", engine=Here(), quiet=True
    )
    return folder, page, tables


def test_an_experiment_of_my_own_has_its_report(reproduced):
    folder, page, tables = reproduced
    text = page.read_text()
    assert "guided" in text and "alone" in text and "limit" in text
    assert tables
    planned = plan(read(str(folder / "mine.toml")), "quick", None, folder / "runs")
    assert all(task.done for _, task in planned)
    summaries = {row.variant: json.loads(task.file.read_text()) for row, task in planned}
    assert summaries["guided"]["takeover_cost"] > 0
    assert 0 < summaries["alone"]["shield_rate"] < 1
    costs = read_table(planned[0][1].folder / "episodes.csv")["cost"]
    assert costs.sum() > 0  # by the file's cost function


def test_its_runs_are_evaluated_and_resumed_like_any_other(reproduced):
    folder, *_ = reproduced
    (run,) = (folder / "runs" / "runs").glob("*budget-switch*")
    found = evaluation.evaluate(
        run, episodes=2, seed=0, shielded=True, knowledge_folder=folder / "runs", **NAMED
    )
    assert found["episodes"] == 2 and found["mean_length"] == 20
    assert 0 <= found["intervention_rate"] <= 1
    assert resume(run, knowledge_folder=folder / "runs", files={}, **NAMED)["steps"] == 80
    played = launch.record(
        run, episodes=1, seed=0, shielded=True, knowledge_folder=folder / "runs", **NAMED
    )
    assert played[0].kind == "frames" and played[0].acts == "the guide"


def test_what_a_folder_names_is_not_run_unless_the_user_names_it(reproduced):
    folder, *_ = reproduced
    (run,) = (folder / "runs" / "runs").glob("*sac-lagrangian*")
    for named in ({}, {"environment": "os:abort"}):
        with pytest.raises(HandrailError, match=rf"--environment {HOME}:make"):
            evaluation.evaluate(run, episodes=1, seed=0, **named)
        with pytest.raises(HandrailError, match="whose code is run"):
            launch.record(run, episodes=1, seed=0, shielded=False, **named)


def test_an_edited_cost_is_refused(reproduced, monkeypatch):
    folder, *_ = reproduced
    (run,) = (folder / "runs" / "runs").glob("*sac-lagrangian*")
    (run / "summary.json").rename(run / "kept.json")
    monkeypatch.setattr(own_walker, "steep", lambda o, a, n, i: float(n[0] > 0.9))
    with pytest.raises(HandrailError, match=r"passed\.cost.*differ"):
        resume(run, knowledge_folder=folder / "runs", files={}, **NAMED)
    (run / "kept.json").rename(run / "summary.json")


def slower(observation, action, next_observation):
    return -float(abs(next_observation - observation)[0])


@pytest.mark.parametrize(
    "name, edited, where",
    [
        ("steep", lambda o, a, n, i: float(n[0] > 0.9), r"-guide-0-.*passed\.cost"),
        ("moved", slower, r"-guide-0-.*passed\.bonus"),
        ("careful", own_walker.harmless, r"-sac-lagrangian-0-.*passed\.shield"),
        ("make", lambda: own_walker.Slippery(), r"passed\.built_by"),
    ],
)
def test_finished_work_of_edited_code_is_not_taken_for_this_ones(
    reproduced, monkeypatch, name, edited, where
):
    folder, *_ = reproduced
    again = {"out": folder / "runs", "engine": Here(), "quiet": True}
    reproduce(str(folder / "mine.toml"), **again)  # nothing was edited
    monkeypatch.setattr(own_walker, name, edited)
    with pytest.raises(HandrailError, match=where):
        reproduce(str(folder / "mine.toml"), **again)


def test_a_finished_guide_of_edited_code_is_not_taken_by_a_command(reproduced, monkeypatch):
    folder, *_ = reproduced
    monkeypatch.setattr(own_walker, "moved", slower)
    settings = {**RUN, "seed": 0, "method": "budget-switch"}
    with pytest.raises(HandrailError, match=r"passed\.bonus.*another output folder"):
        train_one(
            {name: settings.pop(name) for name in ("environment", "method", "seed")}, files={},
            assignments=[f"{name}={json.dumps(value)}" for name, value in settings.items()],
            knowledge_folder=folder / "runs", out=folder / "elsewhere",
        )  # fmt: skip
    assert not (folder / "elsewhere").exists()


def test_a_run_by_name(tmp_path):
    settings = {**RUN, "method": "sac-lagrangian"}
    summary = train_one(
        {name: settings.pop(name) for name in ("environment", "method", "seed")}, files={},
        assignments=[f"{name}={json.dumps(value)}" for name, value in settings.items()
                     if not name.startswith("guide.")],
        knowledge_folder=tmp_path, out=tmp_path / "run",
    )  # fmt: skip
    assert summary["limit"] == 5.0 and summary["steps"] == 80
    assert summary["limit_steps"] == 20


def test_several_costs_and_their_limits():
    row = resolve(
        {**RUN, "limits.heat": 5.0, "limits.speed": 2.0, "limit": 0.0, "guide.limit_fraction": 0.5}
    )
    assert row.run.limits == ("heat=5.0", "speed=2.0") and row.run.limit == 2.0
    assert row.knowledge["guide"].limits == ("heat=2.5", "speed=1")


def test_limits_of_episodes_of_unlike_length_are_compared_by_the_step():
    source = {"guide.environment": f"{HOME}:Near"}
    row = resolve({**RUN, **source, "guide.episode_length": 200})
    assert row.knowledge["guide"].limit == 10.0  # a fifth of 5 in 20 steps
    several = {**RUN, **source, "limits.heat": 5.0, "limits.speed": 2.0, "limit": 0.0}
    row = resolve({**several, "guide.episode_length": 200})
    assert row.knowledge["guide"].limits == ("heat=10", "speed=4")
    row = resolve({**RUN, **source, "guide.episode_length": 200, "guide.limit": 50})
    OWN_ENVIRONMENTS.suits(row.run, row.knowledge)
    row = resolve({**RUN, **source, "guide.episode_length": 10, "guide.limit": 4})
    with pytest.raises(HandrailError, match=r"for episodes of 10 steps.*expected at most 2\.5"):
        OWN_ENVIRONMENTS.suits(row.run, row.knowledge)
    unsaid = {
        **{name: value for name, value in RUN.items() if name != "episode_length"},
        "environment": f"{HOME}:long_track", "guide.environment": f"{HOME}:short_track",
        "guide.limit": 4,
    }  # fmt: skip
    del unsaid["cost_fn"]
    row = resolve(unsaid)
    with pytest.raises(HandrailError, match=r"for episodes of 20 steps.*for 1,000.*at most 0\.1"):
        OWN_ENVIRONMENTS.suits(row.run, row.knowledge)


def test_the_guides_source_and_its_starts():
    row = resolve({**RUN, "guide.environment": f"{HOME}:Near", "guide.rescue.share": 0.5})
    guide = row.knowledge["guide"]
    assert guide.environment == f"{HOME}:Near" and guide.limit == 1.0
    assert guide.cost_fn == f"{HOME}:steep" and guide.rescue.share == 0.5
    patient = resolve({**RUN, "guide.patience": 2})
    assert patient.knowledge["guide"].accepted == patient.run.limit == 5.0
    for elsewhere, own in (
        ({"guide.episode_length": 7}, 1.0 * 7 / 20),
        ({"guide.environment": f"{HOME}:Near"}, 1.0),
    ):
        guide = resolve({**RUN, "guide.patience": 2, **elsewhere}).knowledge["guide"]
        assert guide.accepted == guide.limit == pytest.approx(own)  # its own


def test_a_guide_that_would_learn_in_the_target_is_said():
    [told] = OWN_ENVIRONMENTS.notes(resolve(RUN), {})
    assert f"in {HOME}:make itself" in told and "guide.environment=MODULE:SOURCE" in told
    elsewhere = resolve({**RUN, "guide.environment": f"{HOME}:Near"})
    alone = resolve({**RUN, "method": "sac-lagrangian"})
    assert OWN_ENVIRONMENTS.notes(elsewhere, {}) == OWN_ENVIRONMENTS.notes(alone, {}) == []
    assert OWN_ENVIRONMENTS.notes(resolve(RUN), {"guide": Path("mine")}) == []


@closes_environments
def test_on_policy_methods_know_how_many_are_side_by_side():
    row = resolve({
        "environment": f"{HOME}:pair", "method": "cpo", "limit": 5.0, "episode_length": 20,
        "steps": 80, "epoch": 40, "on_policy.batch": 40, "learning.batch": 4,
    })  # fmt: skip
    target, _ = target_of(row.run)
    assert target.copies == 2 and student_loop(target, row.run, {}).agent.environments == 2


def test_an_on_policy_method_runs_by_command(tmp_path):
    settings = {**NAMED, "method": "cpo", "steps": 80}
    own = [f"{name}={value}" for name, value in {
        "limit": 5.0, "episode_length": 20, "epoch": 40, "test_episodes": 1, "learning.batch": 4,
        "learning.hidden": "[4]", "on_policy.batch": 40,
    }.items()]  # fmt: skip
    summary = train_one(
        settings, assignments=own, files={}, knowledge_folder=tmp_path, out=tmp_path / "run"
    )
    assert summary["steps"] == 80


@closes_environments
def test_a_compiled_source_is_tried_as_a_shield_in_short_episodes():
    row = resolve({"environment": f"{HOME}:long_track", "limit": 5.0})
    source, known, _ = source_of(row.knowledge["guide"])
    assert known.episode_length == source.longest == 1_000
    assert source.shield_test.time_limit == STEPS


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": 0.0}, r"give either limit, .*limits\.heat=5\.0"),
        ({"limits.heat": 1.0}, "give either limit"),
        ({"method": "egpo"}, "unknown method"),
        ({"cost_fn": f"{HOME}:steeep"}, "cost_fn .* expected MODULE:NAME"),
        ({"environment": f"{HOME}:mak"}, "has no 'mak'"),
        ({"environment": "nowhere.at.all:make"}, "cannot import the module 'nowhere.at.all'"),
        (
            {"environment": "nowhere.at.all:make", "limit": 0.0},  # where it is, comes first
            "cannot import the module 'nowhere.at.all'",
        ),
        ({"limit": 0.0, "limits.heat": "much"}, "limits has the entry 'heat=much'"),
        ({"shield": f"{HOME}:steep"}, "expected an intervention"),
        ({"guide.limit": 6.0}, "above the student's 5"),
        ({"copies": 2}, "function that builds a"),
        ({"source_data": True}, "guide.keep is 0"),
        ({"source_price": 0.5}, "source_price is 0.5, but source_data is false"),
        (
            {"view": f"{HOME}:moved", "method": "sac-lagrangian"},
            "view is .*moved', but under 'sac-lagrangian' there is no guide that sees a part",
        ),
        ({"guide.outside": "open"}, "guide.outside is 'open', but handrail knows no border"),
        ({"guide.bonus": "none"}, "guide.bonus is 'none', but what is rewarded is guide.bonus_fn"),
        ({"guide.robust.mass": 0.5}, "guide.robust.mass is 0.5, .* draw them in its reset"),
    ],
)
def test_what_is_named_wrongly_is_one_error(wrong, message):
    with pytest.raises((HandrailError, UnknownName), match=message):
        row = resolve({**RUN, **wrong})
        OWN_ENVIRONMENTS.suits(row.run, row.knowledge)
