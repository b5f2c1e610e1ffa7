"""What a guide's file says in numbers is what decides when it acts: none of them may be absurd."""

import dataclasses

import jax
import numpy as np
import pytest

from handrail.core.artifact import Card, save
from handrail.core.errors import HandrailError
from handrail.envs.base import BoxActions
from handrail.methods.sagui.guide import GuideNetworks
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.problem import Interface

CARD = Card(
    "guide",
    spec={"parts": {"observation": [3]}, "actions": 1, "limit": 5.0, "limit_steps": 50},
    network={"hidden": [2]},
    training={"settings": {"learning": {"discount": 0.9}}, "evaluation": {"takeover_cost": 1.5}},
)
INTERFACE = Interface("Line", np.zeros(3, np.float32), BoxActions(1), {})


@pytest.fixture(scope="module")
def networks():
    return GuideNetworks.fresh(3, 1, (2,), key=jax.random.key(0))


def loaded(path, networks, **changes):
    save(path, dataclasses.replace(CARD, **changes), networks)
    return open_guide(path, INTERFACE)


def test_sensible_numbers_are_read(tmp_path, networks):
    guide = loaded(tmp_path / "x", networks)
    assert (guide.limits.limit, guide.limits.steps, guide.takeover_cost) == (5.0, 50, 1.5)
    assert guide.guide.discount == 0.9
    assert (
        loaded(
            tmp_path / "x", networks, training={"settings": CARD.training["settings"]}
        ).takeover_cost
        is None
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", -1), ("limit", 1e300), ("limit", "5"), ("limit", True), ("limit", None),
        ("limit_steps", 0), ("limit_steps", 1e30), ("limit_steps", -5), ("limit_steps", [50]),
        ("takeover_cost", -1.0), ("takeover_cost", 1e300), ("takeover_cost", "1"),
        ("takeover_cost", [1.0]),
        ("discount", 1.5), ("discount", -0.1), ("discount", "0.9"),
    ],
)  # fmt: skip
def test_absurd_numbers_are_refused_by_name(tmp_path, networks, name, value):
    changes = {
        "takeover_cost": {"training": {"evaluation": {"takeover_cost": value}}},
        "discount": {"training": {"settings": {"learning": {"discount": value}}}},
    }.get(name, {"spec": {**CARD.spec, name: value}})
    said = {"takeover_cost": "takeover cost"}.get(name, name)
    with pytest.raises(HandrailError, match=rf"the card's {said}.* is .*, expected"):
        loaded(tmp_path / "x", networks, **changes)
