"""`handrail evaluate` on runs of environments that are not ours."""

import json
import shutil
import sys

import gymnasium
import numpy as np
import pytest

from handrail.api.discrete import train_dqn
from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.cli import commands as cli
from handrail.cli.evaluate import evaluate
from handrail.cli.push import push
from handrail.cli.report import report
from handrail.core.artifact import load, save
from handrail.core.errors import HandrailError
from handrail.hub import pull
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Walker

Q = QLearning(hidden=(4,), learning_starts=20, replay=100, batch=8, target_every=20)
LEARNING = SacSettings(
    hidden=(4,), batch=4, train_every=20, updates=2, learning_starts=40, replay=500
)
FEW = {
    "episode_length": 20, "steps": 80, "epoch": 40, "evaluation_episodes": 2,
    "learning": LEARNING,
}  # fmt: skip
WALKER, LINE = "tests.envs.toys:Walker", f"{__name__}:Line"
FEW_EPISODES = {"episodes": 2, "seed": 0}


class Line(Walker, gymnasium.Env):
    """The walker with two actions, numbered from 3."""

    action_space = gymnasium.spaces.Discrete(2, start=3)

    def move(self, action):
        Walker.move(self, [6 * action - 21])


def cost(obs, action, next_obs, info):
    """Every step costs a half."""
    return 0.5


def two_costs(obs, action, next_obs, info):
    """One of which never occurs."""
    return {"heat": 0.5, "noise": 0.0}


def broken():
    """A function that cannot build what it should."""
    raise OSError("no licence")


def passed(folder, **changes):
    """Changes what a run recorded of what it was given."""
    stored = json.loads((folder / "run.json").read_text())
    stored["passed"] |= changes
    (folder / "run.json").write_text(json.dumps(stored))


@pytest.fixture(scope="module")
def trained_dqn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dqn")
    train_dqn(Line, folder, steps=40, episode_length=20, evaluation_episodes=2, learning=Q)
    return folder


@pytest.fixture
def dqn(trained_dqn, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(trained_dqn, tmp_path / "dqn")


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """One that keeps its limit, since nothing is too much."""
    folder = tmp_path_factory.mktemp("student")
    train_student(Walker, None, folder, method="sac-lagrangian", limit=1000.0, **FEW)
    return folder


def test_a_dqn_tests_as_it_did_after_training(dqn):
    summary = json.loads((dqn / "summary.json").read_text())
    assert evaluate(dqn, environment=LINE, **FEW_EPISODES) == {
        "episodes": 2, "mean_return": pytest.approx(summary["greedy_return"], abs=1e-6),
        "mean_cost": summary["greedy_cost"], "mean_length": 20.0,
        "episodes_with_cost": 2 if summary["greedy_cost"] else 0,
    }  # fmt: skip


def test_an_id_that_gymnasium_knows_need_not_be_named(dqn, monkeypatch):
    gymnasium.register("Line-v0", Line)
    try:
        passed(dqn, environment={"given": "Line-v0"})
        found = evaluate(dqn, **FEW_EPISODES)
    finally:
        del gymnasium.registry["Line-v0"]
    assert found == evaluate(dqn, environment=LINE, **FEW_EPISODES)
    for given in ("Line-v0", "os:getcwd", {"class": "mine.Line"}, None):
        passed(dqn, environment={"given": given})
        with pytest.raises(HandrailError, match=r"own environment \(Line\): add --environment MOD"):
            evaluate(dqn, **FEW_EPISODES)


def test_a_cost_function_of_the_run_has_to_be_named(dqn):
    passed(dqn, cost={"function": "mine.cost"})
    with pytest.raises(HandrailError, match=r"of yours \(mine\.cost\): add --cost-fn MODULE:FUNC"):
        evaluate(dqn, environment=LINE, **FEW_EPISODES)
    found = evaluate(dqn, environment=LINE, cost_fn=f"{__name__}:cost", **FEW_EPISODES)
    assert (found["mean_cost"], found["episodes_with_cost"]) == (10.0, 2)


def test_several_costs_have_the_limits_of_the_run(dqn):
    stored = json.loads((dqn / "run.json").read_text())
    (dqn / "run.json").write_text(json.dumps(stored | {"limits": {"heat": 20.0, "noise": 4.0}}))
    found = evaluate(dqn, environment=LINE, cost_fn=f"{__name__}:two_costs", **FEW_EPISODES)
    assert (found["mean_cost.heat"], found["mean_cost.noise"]) == (10.0, 0.0)
    assert (found["mean_cost"], found["limit"], found["within_limit"]) == (2.0, 4.0, True)


def test_a_student_is_held_against_its_limit(student):
    found = evaluate(student, environment=WALKER, **FEW_EPISODES)
    assert list(found) == [
        "episodes", "mean_return", "mean_cost", "mean_length", "limit", "within_limit",
        "episodes_with_cost",
    ]  # fmt: skip
    assert (found["limit"], found["within_limit"], found["mean_length"]) == (1000.0, True, 20.0)
    shorter = evaluate(student, environment=WALKER, episode_length=5, **FEW_EPISODES)
    assert (shorter["within_limit"], shorter["mean_length"]) == (None, 5.0)


def test_the_best_safe_policy_is_another_file(student, tmp_path, dqn):
    run = shutil.copytree(student, tmp_path / "run")
    card, arrays = load(run / "best.safetensors")
    arrays["mean.bias"] = np.full(1, -9, np.float32)  # always to the left
    save(run / "best.safetensors", card, arrays)
    last, best = (
        evaluate(run, environment=WALKER, which=which, **FEW_EPISODES) for which in ("last", "best")
    )
    assert last == evaluate(student, environment=WALKER, **FEW_EPISODES)
    assert best["mean_return"] < last["mean_return"] and best["mean_return"] < 0
    with pytest.raises(HandrailError, match=r"has no best\.safetensors: in no test did its policy"):
        evaluate(dqn, environment=LINE, which="best", **FEW_EPISODES)


def test_a_guide_drives_by_itself(tmp_path):
    train_guide(Walker, tmp_path, limit=1.0, shield_episodes=1, **FEW)
    found = evaluate(tmp_path, environment=WALKER, **FEW_EPISODES)
    assert found["limit"] == 1.0 and found["mean_length"] == 20.0
    with pytest.raises(HandrailError, match=r"of which guide\.safetensors is the best already"):
        evaluate(tmp_path, environment=WALKER, which="best", **FEW_EPISODES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"environment": "CartPole-v1"}, "does not fit"),
        ({"environment": WALKER}, "does not fit Walker: the policy is for discrete actions"),
        ({"environment": f"{__name__}:broken"}, "raised 'no licence' .OSError."),
        ({"environment": "no_such_module:X"}, "cannot import the module 'no_such_module'"),
        ({"environment": LINE, "episodes": 0}, "episodes is 0: expected at least 1"),
        ({"environment": LINE, "episode_length": 0}, "episode_length is 0: expected at least 1"),
    ],
)
def test_what_is_refused(dqn, options, message):
    with pytest.raises(HandrailError, match=message):
        evaluate(dqn, **(FEW_EPISODES | options))


def test_runs_without_a_policy_for_a_task(dqn):
    stored = json.loads((dqn / "run.json").read_text())
    for change, message in (
        ({"purpose": "own encoder"}, "holds what was learnt as 'own encoder', not a policy"),
        ({"purpose": "source-1"}, "holds what was learnt as 'source-1', not a policy"),
        ({"episode_length": "20"}, "another version of handrail: it says no environment or"),
        ({"purpose": None, "run": {"environment": "LavaGapS5"}}, "leave --environment, --cost-fn"),
    ):
        (dqn / "run.json").write_text(json.dumps(stored | change))
        with pytest.raises(HandrailError, match=message):
            evaluate(dqn, environment=LINE, **FEW_EPISODES)
    (dqn / "summary.json").unlink()
    (dqn / "run.json").write_text(json.dumps(stored))
    with pytest.raises(HandrailError, match="holds no finished run"):
        evaluate(dqn, environment=LINE, **FEW_EPISODES)


def test_the_command(dqn, monkeypatch, capsys):
    words = ["evaluate", str(dqn), "--environment", LINE, "--episodes", "2"]
    monkeypatch.setattr(sys, "argv", ["handrail", *words])
    cli.main()
    assert "mean_length              20\n" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["handrail", "evaluate", str(dqn)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_report_of_a_run_is_a_page_of_it(dqn, tmp_path):
    path, _, missing = report([str(dqn)], out=tmp_path)
    assert not missing and "What came out" in path.read_text()


def test_a_run_is_pushed_with_what_its_test_found(dqn, tmp_path):
    folder = push(dqn, tmp_path / "shared", environment=LINE, episodes=2)
    found = evaluate(dqn, environment=LINE, episodes=2, seed=0)
    text = (folder / "README.md").read_text()
    assert "## How it tested" in text
    assert f"| mean_return | `{found['mean_return']}` |" in text
    assert pull(folder)[1].kind == "policy"
