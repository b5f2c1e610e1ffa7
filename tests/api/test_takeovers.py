"""Takeovers by sum and advantage, held and pessimistic, in an environment that is not ours."""

import dataclasses
import json

import numpy as np
import pytest

from handrail.api.guides import train_guide, try_guide
from handrail.api.students import train_student
from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.safe_exploration import SafeExploration
from tests.api.test_own_guarding import RUNS, STAYS, guide
from tests.api.test_own_training import FEW, LEARNING, moved
from tests.envs.toys import Walker

ONE = {"episode_length": 20, "episodes": 4}


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A guide of `Walker` with three cost critics, hardly trained."""
    learning = dataclasses.replace(LEARNING, cost_critics=3)
    folder = tmp_path_factory.mktemp("guide")
    return train_guide(Walker, folder, bonus=moved, limit=1.0, **FEW | {"learning": learning})


def test_a_file_carries_all_critics(several):
    card, arrays = load(several, expect="guide")
    assert card.network["cost_critics"] == 3
    assert {array.shape[0] for name, array in arrays.items() if "critics" in name} == {5}


@pytest.mark.parametrize(
    ("foresees", "limit", "share"),
    [(9.0, 1.5, 1.0), (9.0, 1_000.0, 0.0), (4_000.0, 1_000.0, 0.0), (6_000.0, 1_000.0, 1.0)],
)
def test_by_the_sum_the_prediction_is_brought_to_the_limits_scale(tmp_path, foresees, limit, share):
    """γ is 0.99 and an episode has 20 steps: 5 discounted is 1 an episode."""
    path = guide(tmp_path / "g.safetensors", foresees=foresees, goes=STAYS)
    found = try_guide(Walker, path, recipe="sum-switch", limit=limit, **ONE)
    assert found["shielded_share"] == share and "takeover_cost" not in found


def test_a_guide_that_predicts_the_same_of_everything_has_no_advantage(tmp_path):
    path = guide(tmp_path / "g.safetensors", foresees=9.0, goes=RUNS)
    found = try_guide(Walker, path, recipe="advantage-switch", takeover_cost=0.1, **ONE)
    assert found["shielded_share"] == 0


def test_a_held_takeover_is_asked_for_by_name(tmp_path, several):
    env = SafeExploration.with_guide(
        Walker(), several, recipe="advantage-switch", limit=2.0,
        takeover_cost=0.01, takeover={"pessimism": 2.0, "hold_steps": 3, "release": 0.5},
    )  # fmt: skip
    env.reset(seed=0)
    info = env.step(np.zeros(1, np.float32))[-1]
    assert {"cost_advantage", "held"} <= info["evidence"].keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"takeover": {"pessimism": 1.0}}, "one cost critic"),
        ({"recipe": "sum-switch", "takeover_cost": 2.0}, "give limit"),
        ({"recipe": "control-switch", "takeover": {"hold_steps": 3}}, "leave it out"),
        ({"takeover_cost": 500.0}, "never predicts as much as 100"),
        ({"takeover": {"release": 2.0}}, "takeover.release is 2.0"),
    ],
)
def test_what_would_do_nothing_is_refused(tmp_path, options, message):
    path = guide(
        tmp_path / "g.safetensors", foresees=0.0, goes=STAYS, evaluation={"takeover_cost": 2.0}
    )
    with pytest.raises(HandrailError, match=message):
        SafeExploration.with_guide(Walker(), path, limit=30.0, **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stored": {"ending_cost": 1.0}}, "takeover_ends"),
        ({"stored": {"action": "proposed"}, "distil": True}, "distillation and weighting"),
        ({"stored": {"penalty": 1.0}, "method": "sac-lagrangian"}, "nobody overrules"),
        (
            {"stored": {"takeover_ends": True, "ending_value": True}, "method": "recovery-rl"},
            "no trained guide",
        ),
    ],
)
def test_what_cannot_be_stored_is_refused(tmp_path, several, changes, message):
    given = None if "method" in changes else several
    with pytest.raises(HandrailError, match=message):
        train_student(Walker, given, tmp_path / "run", limit=2.0, **FEW, **changes)


def test_a_student_is_trained_with_all_of_it(tmp_path, several):
    kept = {"penalty": 0.5, "takeover_ends": True, "ending_value": True, "ending_cost": 2.0}
    train_student(
        Walker, several, tmp_path, method="sum-switch", limit=2.0, stored=kept,
        takeover={"pessimism": 1.0, "hold_steps": 4}, **FEW,
    )  # fmt: skip
    run = json.loads((tmp_path / "run.json").read_text())["run"]
    assert run["takeover"]["hold_steps"] == 4 and run["stored"]["penalty"] == 0.5
    table = read_table(tmp_path / "progress.csv")
    assert np.isfinite(table["evidence/predicted_total"]).all()
    assert (table["evidence/held"] >= 0).all()
