"""In which units a guide's file is read: of its limits, of its costs and of its reward."""

import dataclasses

import jax
import numpy as np
import pytest

from handrail.api.students import train_student
from handrail.core.artifact import load, save
from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import host_of
from handrail.methods.sagui.guide import GuideNetworks
from handrail.methods.sagui.guide_file import open_guide
from handrail.methods.sagui.problem import interface_of
from tests.api.test_own_guarding import STAYS, guide
from tests.api.test_own_several_costs import Laborious
from tests.api.test_own_training import FEW
from tests.envs.toys import Walker


def test_of_several_costs_it_takes_over_for_none_later_than_in_its_test(tmp_path):
    """Its critics are put on the scale of the limits here, and so is where it takes over."""
    own = {"effort": 1.0, "place": 1.0}
    path = guide(
        tmp_path / "g.safetensors", foresees=9.0, goes=STAYS, limits=own,
        evaluation={"takeover_cost": 2.0},
    )  # fmt: skip
    here = interface_of(host_of(Laborious(), limits={"effort": 5.0, "place": 50.0}), 20)
    file = open_guide(path, here)
    assert file.takeover(5.0, None).predicted_cost == pytest.approx(0.2)
    assert file.guide.scales == pytest.approx((1.0, 0.1))  # "place" is compared at 2, as before


def test_with_a_limit_of_nothing_the_budget_is_spent_by_the_first_cost(tmp_path):
    """It would be reached by no cost at all otherwise, and the guide would act throughout."""
    path = guide(
        tmp_path / "g.safetensors", foresees=0.0, goes=STAYS, evaluation={"takeover_cost": 2.0}
    )
    few = {**FEW, "limit": 0.0}
    card, arrays = load(path)
    save(path, dataclasses.replace(card, spec={**card.spec, "limit": 0.0}), arrays)
    summary = train_student(Walker, path, tmp_path / "run", guide_interval_share=0.0, **few)
    assert 0 < summary["intervention_rate"] < 1
    for given, message in (
        ({"method": "sum-switch"}, "any predicted cost reaches"),
        ({"threshold": 2.0}, "the guide takes over at a multiple of it"),
        ({"takeover_cost": 2.0}, "a run keeps it as a multiple"),
    ):
        with pytest.raises(HandrailError, match=message):
            train_student(Walker, path, tmp_path / "refused", **few, **given)


def test_what_a_guide_expects_to_earn_is_in_the_units_of_its_source(tmp_path):
    """Its critics learnt ten times the reward."""
    path, here = (
        guide(tmp_path / "g", foresees=0.0, goes=STAYS),
        interface_of(host_of(Walker()), 20),
    )
    card, networks = load(path)[0], GuideNetworks.fresh(2, 1, (4,), key=jax.random.key(0))
    save(path, card, networks)
    learnt = {"settings": {"learning": {"discount": 0.99, "reward_scale": 10.0}}}
    save(tmp_path / "ten", dataclasses.replace(card, training=learnt), networks)
    one, ten = (open_guide(tmp_path / name, here).guide.value(np.ones(2)) for name in ("g", "ten"))
    assert one != 0 and ten == pytest.approx(one / 10)
    learnt["settings"]["learning"]["reward_scale"] = 0
    save(tmp_path / "none", dataclasses.replace(card, training=learnt), networks)
    with pytest.raises(HandrailError, match="reward_scale is 0, expected a positive number"):
        open_guide(tmp_path / "none", here)


def test_a_guide_that_is_to_stay_until_nothing_is_predicted_stays(tmp_path):
    """A release at no share of the limit is no limit of 0."""
    path = guide(
        tmp_path / "g.safetensors", foresees=0.5, goes=STAYS, evaluation={"takeover_cost": 2.0}
    )
    few = {**FEW, "limit": 3.0, "method": "sum-switch", "takeover": {"release": 0.0}}
    summary = train_student(Walker, path, tmp_path / "run", guide_interval_share=0.0, **few)
    assert 0 < summary["intervention_rate"] < 1
