"""Guides and students of the tasks that need MuJoCo: the same functions, on the host."""

import dataclasses

import jax
import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.records import EVALUATIONS, read_table
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.navigation.tasks import TASKS
from handrail.envs.transfer import observation_shapes
from handrail.methods.sagui import epochs
from handrail.tasks.navigation.family import resolve_settings
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from tests.experiments.navigation.toy import (
    acquire_forebear,
    acquire_guide,
    build,
    forebear_environment,
    guide_loop,
    run_student,
)

pytest.importorskip("mujoco")
from handrail.envs.navigation.mujoco_host import MujocoHost


def tiny(method: str, environment: str = "navigation-dynamic", **own):
    """A completed row of two short epochs, with the smallest networks."""
    settings = {
        "environment": environment, "method": method, "seed": 0, "steps": 200, "epoch": 100,
        "test_episodes": 1, "learning.hidden": [4], "learning.batch": 4, "learning.train_every": 20,
        "learning.updates": 2, "learning.learning_starts": 40,
    }  # fmt: skip
    for kind in ("guide", "pretrained", "expert"):
        settings |= {f"{kind}.steps": 200, f"{kind}.epoch": 100, f"{kind}.evaluation_episodes": 1}
    return resolve_settings(settings | {"guide.shield_episodes": 1} | own)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_compiled_where_it_can_be(name):
    problem = navigation_problem(name, source_length=50)
    kind = CompiledNavigation if TASKS[name].compiles else MujocoHost
    assert isinstance(problem.source, kind) and isinstance(problem.target, kind)
    assert (problem.source.episode_length, problem.target.episode_length) == (50, 1000)
    loop = build(resolve_settings({"environment": name, "method": "sac-lagrangian"}).run, dict())
    assert isinstance(loop, Loop if TASKS[name].compiles else HostLoop)
    assert getattr(loop, "delayed", None) == (not TASKS[name].compiles)


def test_the_tasks_on_mujoco_have_the_papers_settings():
    semi = resolve_settings({"environment": "navigation-semi-dynamic"}).run
    assert (semi.steps, semi.limit) == (3_000_000, 8.0)
    assert (semi.learning.hidden, semi.learning.batch) == ((64, 64), 64)
    for name in ("navigation-dynamic", "navigation-pointgoal1"):
        run = resolve_settings({"environment": name}).run
        assert (run.steps, run.limit) == (4_500_000, 25.0)
        assert (run.learning.hidden, run.learning.batch) == ((256, 256), 256)


def whole_and_cut(row, knowledge, folder, monkeypatch):
    """The summary of a run, which another repeats exactly that is cut and resumed."""
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)
    whole = run_student(row.run, knowledge, folder / "whole", settings={"n": 1})

    def stop(step, total):
        if step == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_student(row.run, knowledge, folder / "cut", settings={"n": 1}, report=stop)
    run_student(row.run, knowledge, folder / "cut", settings={"n": 1})
    for name in ("episodes.csv", "progress.csv", EVALUATIONS):
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    return whole


def test_a_guide_and_its_student(tmp_path, monkeypatch):
    """Acquired, cut and resumed exactly, though tests of the policy come in between."""
    row = tiny("linear-decay")
    path = acquire_guide(row.knowledge["guide"], tmp_path / "guide")
    assert load(path, expect="guide")[0].spec["parts"]["vases_lidar"] == [16]
    table = read_table(tmp_path / "guide" / EVALUATIONS)
    assert table["step"].tolist() == [100, 200] and np.isfinite(table["exit_cost"]).all()
    whole = whole_and_cut(row, dict(guide=path), tmp_path, monkeypatch)
    assert 0 < whole["intervention_rate"] < 1
    assert (read_table(tmp_path / "whole" / EVALUATIONS)["target_length"] == 1000).all()


def test_what_has_been_pretrained_with_a_car_goes_on(tmp_path):
    row = tiny("sac-pre", "navigation-semi-dynamic", **{"pretrained.steps": 100})
    environment = forebear_environment(row.knowledge["pretrained"])
    target = navigation_problem("navigation-semi-dynamic").target
    assert observation_shapes(environment) == observation_shapes(target)
    seen = environment.reset(key=jax.random.key(0))
    assert not seen["goal_lidar"].any() and seen["hazards_lidar"].any()
    path = acquire_forebear(row.knowledge["pretrained"], tmp_path, lambda what, step, total: None)
    loop = build(row.run, dict(pretrained=path))
    assert isinstance(loop, HostLoop)
    _, arrays = load(path)
    started = loop.init(key=jax.random.key(0)).agent.learner.parameters.actor.mean.weight
    np.testing.assert_array_equal(arrays["parameters.actor.mean.weight"], started)


def test_a_guide_without_bonus_has_no_reward_on_the_host():
    settings = dataclasses.replace(tiny("control-switch").knowledge["guide"], bonus="none")
    environment = guide_loop(settings).environment
    environment.reset(key=jax.random.key(0))
    steps = [environment.step(np.ones(2), key=jax.random.key(1)) for _ in range(5)]
    assert all(step.reward == 0 for step in steps)
    saved = environment.snapshot()
    after = environment.step(np.ones(2), key=jax.random.key(1)).observation
    environment.restore(saved)
    np.testing.assert_equal(environment.step(np.ones(2), key=jax.random.key(1)).observation, after)


def test_copies_side_by_side(tmp_path, monkeypatch):
    """Guide and student in waves of four, cut and resumed exactly."""
    own = {"copies": 4, "guide.copies": 2}
    row = tiny("budget-switch", "navigation-semi-dynamic", **own)
    assert (row.run.copies, row.knowledge["guide"].copies) == (4, 2)
    assert guide_loop(row.knowledge["guide"]).environment.copies == 2
    path = acquire_guide(row.knowledge["guide"], tmp_path / "guide")
    knowledge = dict(guide=path)
    loop = build(row.run, knowledge)
    assert loop.environment.copies == 4
    assert len({id(host.engine) for host in loop.environment.hosts}) == 4
    whole_and_cut(row, knowledge, tmp_path, monkeypatch)
    table = read_table(tmp_path / "whole" / EVALUATIONS)
    assert table["step"].tolist() == [100, 200] and np.isfinite(table["target_cost"]).all()


@pytest.mark.parametrize(
    ("environment", "own", "message"),
    [
        ("navigation-static", {"copies": 2}, "copies is 2, but navigation-static is compiled"),
        ("navigation-static", {"guide.copies": 2}, "copies is 2, but navigation-static is comp"),
        ("navigation-dynamic", {"copies": 0}, r"copies is 0: expected at least 1"),
        ("navigation-dynamic", {"guide.copies": 3}, "copies is 3: expected a divisor of 20"),
        ("navigation-dynamic", {"copies": 40}, "copies is 40: expected a divisor of 20"),
    ],
)
def test_copies_that_do_not_fit_are_refused(environment, own, message):
    with pytest.raises(HandrailError, match=message):
        tiny("budget-switch", environment, **own)
