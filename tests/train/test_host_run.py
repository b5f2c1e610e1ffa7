"""A run of the host loop in its folder: the same tables, cut anywhere, in MuJoCo too."""

import functools

import jax
import numpy as np
import pytest

from handrail.core.records import read_table
from handrail.envs.host import AbstractHostEnvironment
from handrail.interventions.recipes import none
from handrail.learners.sac.agent import SacAgent
from handrail.replay.ring import Ring
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from handrail.train.run import execute
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import Toy

AGENT = SacAgent(
    replay=Ring(200), hidden=(4,), batch=8, train_every=20, updates=2, learning_starts=40
)
TOTAL, CHUNK = 160, 40
FILES = ("episodes.csv", "progress.csv")


class Cut(BaseException):
    """Like Ctrl-C: no handler of `Exception` sees it."""


@functools.cache
def mujoco_loop() -> HostLoop:
    """Episodes of 30 steps, so that every chunk ends in the middle of one."""
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost
    from handrail.envs.navigation.tasks import TASKS

    environment = MujocoHost(TASKS["navigation-dynamic"], episode_length=30)
    return HostLoop(environment, AGENT, none(), TOTAL, delayed=True)


def run(loop, folder, **options):
    return execute(
        loop, folder, {"name": "host"}, seed=1, chunk_steps=CHUNK, checkpoint_seconds=0.0,
        summarise=lambda state: {"weights": _sum(state)}, **options,
    )  # fmt: skip


def _sum(state) -> float:
    return float(np.sum(np.abs(state.agent.learner.parameters.actor.mean.weight)))


def content(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("at", [CHUNK, 3 * CHUNK])
def test_a_run_on_mujoco_that_was_cut_ends_with_the_same_bytes(tmp_path, at):
    loop = mujoco_loop()

    def stop(step, metrics):
        if step == at + CHUNK:
            raise Cut

    whole = run(loop, tmp_path / "whole")
    with pytest.raises(Cut):
        run(loop, tmp_path / "cut", report=stop)
    loop.environment.reset(key=jax.random.key(77))  # it is somewhere else by now
    steps = []
    again = run(loop, tmp_path / "cut", report=lambda step, metrics: steps.append(step))
    assert steps == list(range(at + CHUNK, TOTAL + 1, CHUNK)), "it went on from its checkpoint"
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert again["weights"] == whole["weights"] != 0
    assert (again["violations"], again["episodes"]) == (whole["violations"], TOTAL // 30)


def test_forgetting_the_episode_would_be_noticed(tmp_path, monkeypatch):
    """The arm that must fail: without snapshots the same cut changes the tables."""
    loop = mujoco_loop()
    whole = run(loop, tmp_path / "whole")

    def stop(step, metrics):
        if step == 2 * CHUNK:
            raise Cut

    monkeypatch.setattr(type(loop.environment), "snapshot", AbstractHostEnvironment.snapshot)
    with pytest.raises(Cut):
        run(loop, tmp_path / "cut", report=stop)
    again = run(loop, tmp_path / "cut")
    assert content(tmp_path / "cut") != content(tmp_path / "whole")
    assert again["steps"] == whole["steps"]


def test_both_loops_leave_the_same_tables(tmp_path):
    parts = AGENT, none(), TOTAL
    compiled = run(Loop(Toy(True), *parts, delayed=True), tmp_path / "compiled")
    host = run(HostLoop(OnHost(Toy(True)), *parts, delayed=True), tmp_path / "host")
    for name in FILES:
        one, other = (read_table(tmp_path / kind / name) for kind in ("compiled", "host"))
        assert list(one) == list(other)
        for column, values in one.items():
            np.testing.assert_allclose(values, other[column], rtol=1e-3, err_msg=column)
    assert compiled["episodes"] == host["episodes"] == TOTAL // 10
    rows = read_table(tmp_path / "host" / "progress.csv")["sac/updates"]
    assert np.isnan(rows[0]) and (rows[1:] == 2).all()
