"""`handrail check-transfer`: exit codes, the JSON it leaves, and input that cannot be used."""

import dataclasses
import re
import sys

import pytest

from handrail.cli import check_transfer as command
from handrail.cli.check_transfer import check_task
from handrail.cli.commands import main
from handrail.core.files import read_json
from handrail.envs.navigation import tasks
from handrail.envs.transfer import View
from handrail.tasks.navigation import problems
from handrail.transfer_check.finding import TransferFinding
from handrail.transfer_check.verdict import TransferVerdict
from tests.experiments.navigation.toy import toy_problem, write_guide


@pytest.fixture
def guide(tmp_path):
    return write_guide(tmp_path / "guide.safetensors")


def run(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["handrail", "check-transfer", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0


def test_measures_judges_and_writes_the_raw_numbers(guide, tmp_path, monkeypatch):
    """The toy's two costs an episode come whatever is done: over the limit of 1."""
    monkeypatch.setattr(problems, "navigation_problem", toy_problem)
    out = tmp_path / "check.json"
    words = ("--task", "navigation-static", "--limit", "1", "--episodes", "8", "--out", str(out))
    assert run(monkeypatch, str(guide), *words) == 1
    record = read_json(out)
    assert record["trusted"] is False
    assert "costs 2, over the limit of 1" in record["verdict"]
    assert record["measured"]["target"]["own_costs"] == [2.0] * 8
    assert record["limit"] == 1


@pytest.mark.parametrize(("predicted", "hindered"), [(1.0, True), (0.5, False)])
def test_a_biased_cost_critic_is_caught(tmp_path, monkeypatch, predicted, hindered):
    """Its critic says so much more than nothing; a limit of 8 is 0.8, discounted."""
    monkeypatch.setattr(problems, "navigation_problem", toy_problem)
    guide, out = tmp_path / "guide.safetensors", tmp_path / "check.json"
    write_guide(guide, cost=predicted)
    verdict = check_task(guide, task="navigation-static", limit=8.0, episodes=8, out=out)
    assert [("predicts 1 on average" in text) for text in verdict.hindrances] == [True] * hindered
    assert read_json(out)["hindrances"] == verdict.hindrances
    assert any("tell its own actions from random ones" in note for note in verdict.notes)


def test_a_guide_that_does_not_fit_is_judged_without_a_run(guide, monkeypatch):
    def without_place(name):
        problem = toy_problem(name)
        object.__setattr__(problem, "view", View.keep(["hazards_lidar", "speed"]))
        return problem

    monkeypatch.setattr(problems, "navigation_problem", without_place)
    verdict = check_task(guide, task="navigation-static", limit=1.0, episodes=8)
    assert not verdict.trusted
    assert "it does not fit: the view needs the part 'speed'" in verdict.text


def trained(tmp_path, task: str):
    """A guide of the source of a task, on whatever simulates it."""
    return write_guide(
        tmp_path / "guide.safetensors", problem=problems.navigation_problem(task), task=task
    )


def test_a_guide_from_mujoco_needs_what_a_compiled_target_may_lack(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mujoco")
    guide = trained(tmp_path, "navigation-dynamic")
    assert run(monkeypatch, str(guide), "--task", "navigation-static") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "it does not fit: the view needs the part 'vases_lidar' of the target's obs" in said


def test_a_guide_of_another_robot_does_not_fit(tmp_path):
    """Point and car take two numbers each and have parts in common, yet drive differently."""
    pytest.importorskip("mujoco")
    guide = trained(tmp_path, "navigation-static")
    verdict = check_task(guide, task="navigation-semi-dynamic")
    assert any(
        "it drove the robot 'point', and the target's is a 'car'" in r for r in verdict.reasons
    )


@pytest.mark.parametrize(
    ("trained_on", "task"),
    [
        ("navigation-static", "navigation-dynamic"),
        ("navigation-semi-dynamic", "navigation-semi-dynamic"),
    ],
)
def test_measures_on_mujoco(tmp_path, monkeypatch, trained_on, task):
    """A guide of a compiled source in a target on MuJoCo, and one whose tasks both are on it."""
    pytest.importorskip("mujoco")
    for name in {trained_on, task}:
        short = dataclasses.replace(tasks.TASKS[name], episode_length=60)
        monkeypatch.setitem(tasks.TASKS, name, short)
    guide, told = trained(tmp_path, trained_on), []
    out = tmp_path / "check.json"
    check_task(
        guide, task=task, episodes=2, out=out, report=lambda *progress: told.append(progress)
    )
    measured = read_json(out)["measured"]
    assert measured["target"]["own_lengths"] == [60, 60]
    assert len(measured["source"]["handed_costs"]) == 4
    on_host = {"target"} if trained_on == "navigation-static" else {"source", "target"}
    assert {what for what, *_ in told} == on_host
    assert told[-1] == ("target", 6, 6)


def test_without_mujoco_the_command_says_what_to_install(guide, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert run(monkeypatch, str(guide), "--task", "navigation-pointgoal1") == 2
    assert "need the package 'mujoco'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "navigation-statc"), "did you mean 'navigation-static'"),
        ((), "does not say which task it is for; give --task"),
        (("--task", "navigation-static", "--limit", "-1"), "limit is -1.0: expected a cost of 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(guide, monkeypatch, capsys, words, message):
    assert run(monkeypatch, str(guide), *words) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_missing_file_is_bad_input(tmp_path, monkeypatch):
    assert run(monkeypatch, str(tmp_path / "none.safetensors")) == 2


@pytest.mark.parametrize(
    ("wrong", "hinders", "code"), [("", "", 0), ("it is broken", "", 1), ("", "it is biased", 1)]
)
def test_the_verdict_is_the_exit_code(monkeypatch, capsys, wrong, hinders, code):
    verdict = TransferVerdict(
        (TransferFinding("question", "1", "2", "less", wrong, hinders=hinders, note="beware"),)
    )
    monkeypatch.setattr(command, "check_task", lambda *args, **options: verdict)
    monkeypatch.setattr(sys, "argv", ["handrail", "check-transfer", "guide.safetensors"])
    if code:
        with pytest.raises(SystemExit, match="1"):
            main()
    else:
        main()
    shown = capsys.readouterr().out
    assert "beware" in shown
    assert ("not shown to be safe, because it is broken" in shown) == bool(wrong)
    assert ("not likely to learn from it: it is biased" in " ".join(shown.split())) == bool(hinders)
