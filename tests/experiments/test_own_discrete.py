"""Discrete actions in environments of the user's: experiment files, `train`, `evaluate`."""

import json

import pytest

from handrail.cli.evaluate import evaluate
from handrail.cli.reproduce import reproduce
from handrail.cli.train import resume, train_one
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.records import read_table
from handrail.experiments.plan import plan, refuse_changed
from handrail.experiments.scheduler import with_needs
from handrail.experiments.schema import read
from handrail.tasks.own.family import OWN_ENVIRONMENTS, resolve_own
from tests.experiments import own_doors
from tests.experiments.test_own_experiments import Here

HOME = "tests.experiments.own_doors"
QUICK = {
    "hidden": [4], "batch": 4, "train_every": 10, "target_every": 20, "learning_starts": 20,
    "replay": 100,
}  # fmt: skip
SMALL = {
    "steps": 60, "test_episodes": 1, "episode_length": 20, "action_mask": True,
    "info_columns": ["is_success"],
    **{f"learning.{name}": value for name, value in QUICK.items()},
}  # fmt: skip
KNOWN = {
    "prior.sources": [f"{HOME}:make", f"{HOME}:other"], "prior.source_steps": 60,
    "prior.prior_steps": 60, "encoder.steps": 100, "encoder.latent": 2, "encoder.hidden": [4],
    **{f"prior.source_learning.{name}": value for name, value in QUICK.items()},
    **{f"prior.prior_learning.{name}": value for name, value in QUICK.items()},
    **{f"encoder.acting.{name}": value for name, value in QUICK.items()},
}  # fmt: skip
FILE = f"""
title = "A corridor of mine"
environments = ["{HOME}:make"]
[base]
{chr(10).join(f"{name} = {json.dumps(value)}" for name, value in (SMALL | KNOWN).items())}
[variants]
both = {{ method = "full-adaptive" }}
alone = {{ method = "dqn", shield = "{HOME}:careful" }}
[budgets.quick]
seeds = [0]
"""
RUN = {"environment": f"{HOME}:make", "seed": 1, **SMALL}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.toml").write_text(FILE)
    page, tables = reproduce(
        str(folder / "mine.toml"), out=folder / "runs", engine=Here(), quiet=True
    )
    return folder / "runs", page, tables


def trained(settings, folder):
    settings = dict(settings)
    named = {name: settings.pop(name) for name in ("environment", "method", "seed", "steps")}
    return train_one(
        named, files={}, knowledge_folder=folder, out=folder / "run",
        assignments=[f"{name}={json.dumps(value)}" for name, value in settings.items()],
    )  # fmt: skip


def of_method(runs, method):
    return next(one.parent for one in runs.glob(f"runs/*-{method}-0-*/summary.json"))


def test_an_experiment_file_acquires_trains_and_reports(reproduced):
    runs, page, _ = reproduced
    assert page.exists()
    kinds = {one.name for one in runs.glob("knowledge/*/*.safetensors")}
    assert kinds == {"prior.safetensors", "encoder.safetensors"}
    both = json.loads((of_method(runs, "full-adaptive") / "summary.json").read_text())
    assert both["steps"] == 60 and "greedy_return" in both
    assert "info.is_success" in read_table(of_method(runs, "full-adaptive") / "episodes.csv")
    shielded = of_method(runs, "dqn")
    assert json.loads((shielded / "summary.json").read_text())["violations"] == 0


@pytest.mark.parametrize(
    "name, edited, kind",
    [
        ("other", lambda: own_doors.Corridor(goal=6), "prior"),
        ("make", lambda: own_doors.Corridor(goal=6), "encoder"),
        ("careful", own_doors.careless, "dqn"),
    ],
)
def test_finished_work_of_edited_code_is_refused(reproduced, monkeypatch, name, edited, kind):
    runs, *_ = reproduced
    planned = plan(read(str(runs.parent / "mine.toml")), "quick", None, runs)
    tasks = with_needs(task for _, task in planned)
    refuse_changed(tasks)
    monkeypatch.setattr(own_doors, name, edited)
    changed = [task for task in tasks if f"-{kind}-" in task.folder.name]
    assert changed
    for task in changed:
        with pytest.raises(HandrailError, match=rf"-{kind}-.*passed\."):
            refuse_changed([task])


def test_finished_runs_are_tested_alone_and_shielded(reproduced):
    runs, named = reproduced[0], {"environment": f"{HOME}:make"}
    for method in ("full-adaptive", "dqn"):
        found = evaluate(of_method(runs, method), episodes=2, seed=0, shielded=True, **named)
        assert found["episodes"] == 2 and 0 <= found["intervention_rate"] <= 1
    with pytest.raises(HandrailError, match="whose code is run: name it"):
        evaluate(of_method(runs, "dqn"), episodes=1, seed=0)


def test_the_command_trains_and_resumes(tmp_path):
    first = trained({"method": "dqn", **RUN}, tmp_path)
    again = resume(
        tmp_path / "run", environment=f"{HOME}:make", knowledge_folder=tmp_path, files={}
    )
    assert first["greedy_return"] == again["greedy_return"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "full-adaptive"}, r"prior.sources is \[\]: name at least two tasks"),
        ({"method": "dqn", "limit": 5.0}, "limit"),
        ({"method": "ae"}, "method"),
        ({"method": "dqn", "safety.neighbours": 3}, "safety.neighbours is 3, but method 'dqn' has"),
        ({"method": "dqn", "environment": "tests.experiments.own_walker:make"}, "has real actions"),
        ({"method": "budget-switch", "limit": 5.0}, "has discrete actions|--method dqn"),
    ],
)
def test_what_does_not_fit_is_one_error_before_anything_is_computed(given, message, tmp_path):
    settings = {**RUN, "action_mask": False, **given}
    if given["method"] == "budget-switch":  # as without --method
        settings = {"environment": RUN["environment"], "seed": 1, "steps": 1_000, **given}
    with pytest.raises((HandrailError, UnknownName), match=message):
        trained(settings, tmp_path)
    assert not list(tmp_path.glob("**/*.safetensors"))


def test_what_is_acquired_follows_the_run():
    row = resolve_own({"method": "full", **RUN, **KNOWN, "acquired": "one"})
    encoder, prior = row.knowledge["encoder"], row.knowledge["prior"]
    assert encoder.environment == RUN["environment"] and encoder.action_mask
    assert prior.environment == f"{HOME}:other" and prior.seed == encoder.seed == 0
    assert OWN_ENVIRONMENTS.run_type("full") is type(row.run)
