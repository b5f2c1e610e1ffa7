"""Guides and students where several costs have a limit each."""

import dataclasses
import functools
import json

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from handrail.api.guides import train_guide
from handrail.api.students import train_student
from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.base import BoxActions
from handrail.envs.gymnasium.building import build_host
from handrail.envs.transfer import SameView
from handrail.methods.sagui.cards import Limits, scales
from handrail.methods.sagui.guide import Guide, GuideNetworks
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.problem import Interface, interface_of
from handrail.report.runs import read_run
from tests.api.test_own_training import FEW, LEARNING, moved
from tests.envs.toys import Walker

LIMITS = {"place": 2.0, "effort": 5.0}


class Laborious(Walker):
    """`Walker`, which also costs 0.25 a step for nothing."""

    def step(self, action):
        *values, info = Walker.step(self, action)
        return *values, {"cost": {"effort": 0.25, "place": info["cost"]}}


class LaboriousEnv(Laborious, gymnasium.Env):
    """The same as vector environments take it."""


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    return train_guide(Laborious, folder, bonus=moved, limits=LIMITS, **FEW)


def nearest(place, effort):
    """The cost that is nearest to its limit, on the scale of the smallest."""
    return np.maximum(place, effort * 2 / 5)


def test_a_guide_records_each_cost_and_is_kept_by_the_one_nearest_to_its_limit(guide):
    card, _ = load(guide, expect="guide")
    assert card.spec["limit"] == 2.0 and card.spec["limits"] == LIMITS
    assert list(card.spec["limits"]) == ["effort", "place"]
    table = read_table(guide.parent / "evaluations.csv")
    assert table["cost.effort"].tolist() == [5.0, 5.0]
    np.testing.assert_allclose(table["cost"], nearest(table["cost.place"], 5.0))
    episodes = read_run(guide.parent).episodes
    assert (episodes["cost.effort"] == 5.0).all()
    harmed = np.rint(episodes["cost.place"])
    assert (episodes["cost.place"] == harmed).all() and harmed.any()
    # what is known as one cost is the higher of both in every step: 1 or 0.1
    np.testing.assert_allclose(episodes["cost"], harmed + 0.1 * (20 - harmed), rtol=1e-5)
    progress = read_table(guide.parent / "progress.csv")
    multipliers = np.stack([progress[f"sac/multiplier/{name}"] for name in LIMITS])
    np.testing.assert_array_equal(progress["sac/multiplier"], multipliers.max(axis=0))
    assert np.isfinite(multipliers[:, -1]).all() and multipliers[0, -1] != multipliers[1, -1]


def test_one_side_by_side_is_one_alone(guide, tmp_path):
    beside = functools.partial(SyncVectorEnv, [LaboriousEnv])
    train_guide(beside, tmp_path, bonus=moved, limits=LIMITS, **FEW)
    for name in ("episodes.csv", "evaluations.csv", "progress.csv"):
        assert (tmp_path / name).read_bytes() == (guide.parent / name).read_bytes()


def test_a_student_records_each_cost_and_learns_from_what_its_guide_foresees(guide, tmp_path):
    limits = {"place": 4.0, "effort": 5.0}
    few = FEW | {"learning": dataclasses.replace(LEARNING, cost_floor="guide")}
    summary = train_student(
        Laborious, guide, tmp_path, method="budget-switch", limits=limits, **few
    )
    assert summary["limit"] == 4.0
    assert json.loads((tmp_path / "run.json").read_text())["passed"]["limits"] == limits
    table, episodes = read_table(tmp_path / "evaluations.csv"), read_run(tmp_path).episodes
    assert table["target_cost.effort"].tolist() == table["behaviour_cost.effort"].tolist()
    for who in ("behaviour", "target"):
        expected = np.maximum(table[f"{who}_cost.place"], 4.0)
        np.testing.assert_allclose(table[f"{who}_cost"], expected)
    second = episodes["step"] > 40
    assert table["behaviour_cost.place"][1] == episodes["cost.place"][second].mean()


def test_guides_of_other_costs_are_refused(guide, tmp_path):
    def student(kind, file, **limits):
        train_student(kind, file, tmp_path / "student", **limits, **FEW)

    with pytest.raises(HandrailError, match="for the costs effort, place, the environment has one"):
        student(Walker, guide, limit=2.0)
    with pytest.raises(
        HandrailError, match="limit of 5 of 'effort' in 20 steps, but the student's is 4"
    ):
        student(Laborious, guide, limits=LIMITS | {"effort": 4.0})
    single = train_guide(Walker, tmp_path / "one", bonus=moved, limit=1.0, **FEW)
    with pytest.raises(HandrailError, match="for one cost, the environment has the costs effort"):
        student(Laborious, single, limits=LIMITS)
    assert not (tmp_path / "student").exists()


POSITIVE = st.floats(0.1, 100)


@given(*[st.tuples(POSITIVE, POSITIVE, POSITIVE)] * 3)
def test_what_a_guide_foresees_is_put_on_the_scale_of_the_students_limits(own, margins, costs):
    """Its critics were trained on c · min d⋄ / d⋄; each of the student's limits is higher."""
    names = ("a", "b", "c")
    limits = {name: low + more for name, low, more in zip(names, own, margins, strict=True)}
    trained = Limits(min(own), 20, dict(zip(names, own, strict=True)))
    here = Interface("here", jnp.zeros(1), BoxActions(1), limits=limits, episode_length=20)
    factors = scales(trained, here, source="here")
    foreseen = np.array(costs) * min(own) / np.array(own)
    expected = np.array(costs) * min(limits.values()) / np.array(list(limits.values()))
    np.testing.assert_allclose(foreseen * np.array(factors), expected)


def test_a_guides_cost_is_the_highest_of_its_costs_on_that_scale():
    networks = GuideNetworks.fresh(1, 1, (), costs=2, key=jax.random.key(0))
    values = networks.critics.costs(jnp.ones(1), jnp.ones(1))
    guide = Guide(networks, SameView(), 0.99, scales=(-3.0, 2.0))
    expected = values * jnp.array([-3.0, 2.0])
    np.testing.assert_allclose(guide.costs(jnp.ones(1), jnp.ones(1)), expected, rtol=1e-6)
    assert guide.cost(jnp.ones(1), jnp.ones(1)) == expected.max()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"a": 1.0}, "expected several"),
        ([1.0, 2.0], "expected several"),
        ({"a": 1.0, "b": -1.0}, "expected positive numbers"),
        ({"a": 1.0, "b": "two"}, "the card's limit of 'b'"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, r"expected float32\[5, 4, 3\]"),
    ],
)
def test_a_card_whose_limits_make_no_sense(tmp_path, limits, message):
    networks = GuideNetworks.fresh(2, 1, (4,), costs=2, key=jax.random.key(0))
    spec = {"parts": {"observation": [2]}, "actions": 1, "limit": 1.0, "limits": limits}
    save(tmp_path / "g", Card("guide", spec, {"hidden": [4]}, {}), networks)
    with pytest.raises(HandrailError, match=message):
        here = interface_of(build_host(Walker), 20)
        several = limits if len(limits) == 3 else {}  # those of the last one fit the environment
        open_guide(tmp_path / "g", dataclasses.replace(here, limits=several))
