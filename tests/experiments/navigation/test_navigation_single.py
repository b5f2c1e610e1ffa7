"""`handrail train` and `handrail evaluate` in navigation, on the toy."""

import shutil

import pytest

from handrail.cli.check_robustness import check_robustness
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.envs.changes import Changes
from handrail.experiments import launch
from handrail.tasks.guided import family as guided_family
from handrail.tasks.guided.family import with_epoch
from handrail.tasks.navigation.family import NAVIGATION
from tests.experiments.navigation.toy import (
    COSTLY,
    LENGTH,
    SMALL,
    use_toy,
    write_guide,
)

SHORT = SMALL | {"method": "budget-switch", "seed": 3, "steps": 100, "guide.steps": 100}


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    use_toy(monkeypatch)


def trained(folder, settings=SHORT, note=lambda text: None, **files):
    return launch.train(
        NAVIGATION.resolve(settings), files=files, knowledge_folder=folder, out=folder / "run",
        report=lambda what, step, total: None, note=note,
    )  # fmt: skip


def test_a_student_is_trained_with_the_guide_of_a_file_and_evaluated(tmp_path, monkeypatch):
    def never(task, report):
        raise AssertionError("a file brings the guide, so none is trained")

    monkeypatch.setattr(launch, "work", never)
    path = write_guide(tmp_path / "guide.safetensors")
    summary = trained(tmp_path, guide=path)
    assert summary["steps"] == 100 and summary["epochs"] == 1
    assert summary["within_limit_alone"] is False and summary["best_safe"] is None
    recorded = read_json(tmp_path / "run" / "run.json")
    assert recorded["needs"] == {"guide": load(path)[0].checksum}
    card, _ = load(tmp_path / "run" / "policy.safetensors", expect="policy")
    assert card.spec["parts"].keys() == {"goal_lidar", "hazards_lidar", "place"}
    found = launch.evaluate(tmp_path / "run", episodes=5, seed=0)
    assert found["mean_cost"] == len(COSTLY) and found["mean_length"] == LENGTH
    assert found["mean_return"] < 0 and found["episodes_with_cost"] == 5
    assert (found["episodes"], found["limit"], found["within_limit"]) == (5, 1.0, False)
    pair = launch.evaluate(
        tmp_path / "run", episodes=5, seed=0, shielded=True, files={"guide": path}
    )
    assert pair | found == pair and pair["shielded_mean_length"] == LENGTH
    assert 0 < pair["intervention_rate"] <= 1
    changed = launch.evaluate(
        tmp_path / "run", episodes=5, seed=0, shielded=True, files={"guide": path},
        changes=Changes(disturbance=0.5, delay=1),
    )  # fmt: skip
    for who in ("", "shielded_"):
        assert changed[f"{who}mean_return"] != pair[f"{who}mean_return"]
        assert changed[f"{who}mean_cost"] == pair[f"{who}mean_cost"]
    worlds = check_robustness(tmp_path / "run", side=2, episodes=2, guide=path)
    assert list(worlds) == ["alone", "with its guide"]
    costs = {outcome.cost for own in worlds.values() for outcome in own.outcomes}
    assert costs == {1000 * len(COSTLY) / LENGTH}
    with pytest.raises(HandrailError, match="which has its task: leave --task out"):
        check_robustness(tmp_path / "run", task="navigation-static", guide=path)
    with pytest.raises(HandrailError, match="--guide"):
        launch.evaluate(tmp_path / "run", episodes=5, seed=0, shielded=True)
    with pytest.raises(HandrailError, match=r"has no best\.safetensors"):
        launch.evaluate(tmp_path / "run", episodes=5, seed=0, which="best")
    shutil.copy(tmp_path / "run" / "policy.safetensors", tmp_path / "run" / "best.safetensors")
    assert launch.evaluate(tmp_path / "run", episodes=5, seed=0, which="best") == found


def test_the_guide_that_no_file_brings_is_trained(tmp_path):
    trained(tmp_path)
    [need] = read_json(tmp_path / "run" / "run.json")["needs"].values()
    assert (tmp_path / "knowledge" / need / "guide.safetensors").exists()


def test_a_guide_that_tested_badly_is_not_used_in_silence(tmp_path, monkeypatch):
    path, said = write_guide(tmp_path / "guide.safetensors"), []
    trained(tmp_path / "silent", guide=path, note=said.append)
    assert not said
    monkeypatch.setattr(
        guided_family, "guide_warnings", lambda files, limit, steps: [f"more than {limit:g}"]
    )
    summary = trained(tmp_path / "said", guide=path, note=said.append)
    assert said == [f"{path}: more than 1"] and summary["guide_warnings"] == ["more than 1"]


def test_files_that_the_method_does_not_use_are_refused(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors")
    with pytest.raises(
        HandrailError, match=r"'sac-lagrangian' does not use guide files: .* nothing"
    ):
        trained(tmp_path, SHORT | {"method": "sac-lagrangian"}, guide=path)
    with pytest.raises(HandrailError, match=r"does not use expert files: .* guide"):
        trained(tmp_path, expert=path)
    assert not (tmp_path / "run").exists()


def test_a_guide_trained_for_a_higher_limit_is_refused(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors", limit=3.0)
    with pytest.raises(HandrailError, match="cost limit of 3"):
        trained(tmp_path, guide=path)


def test_epochs_divide_the_steps_that_were_asked_for():
    assert with_epoch({"steps": 90_000})["epoch"] == 30_000
    assert with_epoch({"steps": 100_000})["epoch"] == 10_000
    assert with_epoch({"steps": 15_000})["epoch"] == 5_000
    assert with_epoch({"steps": 100_000, "epoch": 50_000})["epoch"] == 50_000
    assert "epoch" not in with_epoch({"steps": 1_234})  # refused later, by name
    assert "epoch" not in with_epoch({})
