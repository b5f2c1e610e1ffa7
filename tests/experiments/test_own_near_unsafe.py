"""Methods whose guide acts near unsafe states, in environments of the user's: by command, from the
encoder's training to the test of the pair.
"""

import json

import pytest

from handrail.cli import evaluate as evaluation
from handrail.cli.train import resume, train_one
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.experiments import launch
from handrail.methods.contrastive.artefacts import ENCODER
from handrail.tasks.own.resolve import resolve
from tests.experiments.test_own_experiments import HOME, NAMED, RUN, SMALL

ENCODED = {
    "encoder.steps": 1_000, "encoder.latent": 2, "encoder.hidden": [4], "encoder.batch": 8,
    "encoder.train_every": 20, "near.neighbours": 1,
}  # fmt: skip
METHOD = "near-unsafe-switch"


def named(settings):
    return [f"{name}={json.dumps(value)}" for name, value in settings.items()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("near")
    summary = train_one(
        {**NAMED, "method": METHOD, "seed": 1}, assignments=named({**SMALL, **ENCODED}), files={},
        knowledge_folder=folder / "knowledge", out=folder / "run",
    )  # fmt: skip
    return folder, summary


def test_guide_and_encoder_are_acquired_and_the_state_check_decides(trained):
    folder, summary = trained
    assert summary["steps"] == 80 and summary["limit"] == 5.0
    acquired = {path.name for path in (folder / "knowledge").rglob("*.safetensors")}
    assert {"guide.safetensors", ENCODER} <= acquired
    progress = read_table(folder / "run" / "progress.csv")
    assert "evidence/distance" in progress and "evidence/state_check" in progress


def test_the_pair_is_tested_and_the_run_goes_on_from_its_folder(trained):
    folder, _ = trained
    found = evaluation.evaluate(
        folder / "run", episodes=1, seed=0, shielded=True, environment=NAMED["environment"],
        knowledge_folder=folder / "knowledge",
    )  # fmt: skip
    assert "shielded_mean_cost" in found, sorted(found)
    (folder / "run" / "summary.json").unlink()
    again = resume(folder / "run", knowledge_folder=folder / "knowledge", files={}, **NAMED)
    assert again["steps"] == 80


def test_all_triggers_watch_the_same_episodes(trained):
    folder, _ = trained
    rows = launch.check_triggers(
        folder / "run", episodes=2, seed=0, within=5, knowledge_folder=folder / "knowledge", **NAMED
    )
    found = {row["trigger"]: row for row in rows}
    assert {METHOD, "budget-switch", "sum-switch", "any step"} <= found.keys()
    assert found["any step"]["recall"] == 1.0
    assert all(0 <= row["fired"] <= 1 for row in rows)
    with pytest.raises(HandrailError, match="whose code is run: name it with --environment"):
        launch.check_triggers(folder / "run", episodes=2, seed=0, within=5)


def test_the_encoder_learns_where_the_guide_does_unless_told():
    row = resolve({**RUN, "method": METHOD, "guide.environment": f"{HOME}:Near", **ENCODED})
    encoder = row.knowledge["encoder"]
    assert encoder.environment == f"{HOME}:Near" and encoder.seed == 1
    assert encoder.cost_fn == f"{HOME}:steep" and encoder.episode_length == 20
    assert encoder.steps == 1_000 and encoder.rescue_share == 0
    there = {"encoder.environment": f"{HOME}:make", "encoder.rescue_share": 0.5}
    encoder = resolve({**RUN, "method": METHOD, **there}).knowledge["encoder"]
    assert encoder.environment == f"{HOME}:make" and encoder.rescue_share == 0.5
    assert "encoder" not in resolve({**RUN, "method": "budget-switch"}).knowledge


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoder.steps": 150}, "encoder.steps is 150: expected a multiple of 100"),
        ({"encoder.environment": f"{HOME}:mak"}, "has no 'mak'"),
        ({"encoder.latents": 3}, "did you mean 'encoder.latent'"),
        ({"encoder.acting.batch": 3}, "encoder.acting"),
        ({"encoder.cost_fn": "tests.experiments.own_walker:free"}, "none of 1000 steps had a cost"),
    ],
)
def test_what_does_not_fit_is_one_line(wrong, message, tmp_path):
    with pytest.raises(HandrailError, match=message) as caught:
        train_one(
            {**NAMED, "method": METHOD, "seed": 1},
            assignments=named({**SMALL, **ENCODED, **wrong}), files={},
            knowledge_folder=tmp_path / "knowledge", out=tmp_path / "run",
        )  # fmt: skip
    assert "\n" not in str(caught.value)
