"""`learning.inputs`: what networks read reaches the file, and comes back from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import Card, load, save
from handrail.core.errors import HandrailError
from handrail.methods.sagui.guide import GuideNetworks
from handrail.methods.sagui.guide_file import load_guide, save_guide
from handrail.methods.sagui.inputs import inputs_of, kind_of
from handrail.networks.inputs import ScaledInputs
from tests.experiments.navigation.toy import (
    build,
    guide_loop,
    small,
    toy_problem,
    use_toy,
    write_guide,
)

PARTS = {"hazards_lidar": [2], "accelerometer": [3], "ballquat_rear": [1, 2]}


def test_parts_are_read_in_the_order_of_their_names():
    inputs = inputs_of("scaled", PARTS)
    assert inputs.factors == (0.1,) * 3 + (1.0,) * 4
    assert inputs.readings == (False,) * 5 + (True,) * 2
    assert inputs_of("raw", PARTS) is None


def test_a_card_names_only_scales_that_can_be_built_again():
    assert kind_of(None, PARTS) == "raw"
    assert kind_of(inputs_of("scaled", PARTS), PARTS) == "scaled"
    with pytest.raises(HandrailError, match="no card can name"):
        kind_of(ScaledInputs((1.0,) * 7, (False,) * 7), PARTS)


@pytest.mark.parametrize("kind", ["raw", "scaled"])
def test_a_guide_reads_as_it_did_when_it_was_saved(tmp_path, kind):
    problem, path = toy_problem("toy"), tmp_path / "guide.safetensors"
    shapes = {"hazards_lidar": [1], "place": [2]}
    networks = GuideNetworks.fresh(
        3, 2, (4,), inputs=inputs_of(kind, shapes), key=jax.random.key(1)
    )
    save_guide(path, networks, problem, hidden=(4,), limit=0.2, discount=0.99)
    card, _ = load(path, expect="guide")
    assert card.network["inputs"] == kind
    loaded = load_guide(path, problem, limit=1.0).networks
    observation = {"hazards_lidar": jnp.array([0.9]), "place": jnp.array([0.1, 0.2])}
    action = jnp.array([0.5, -0.5])
    assert loaded.actor.inputs == networks.actor.inputs == loaded.critics.inputs
    np.testing.assert_array_equal(
        loaded.critics.costs(observation, action), networks.critics.costs(observation, action)
    )
    other = dataclasses.replace(card, network=card.network | {"inputs": "raw"})
    save(path, other, networks)
    misread = load_guide(path, problem, limit=1.0).networks.critics.costs(observation, action)
    same = np.allclose(misread, networks.critics.costs(observation, action))
    assert same is (kind == "raw")


def test_a_card_with_unknown_inputs_is_refused(tmp_path):
    path = write_guide(tmp_path / "guide.safetensors")
    card, arrays = load(path, expect="guide")
    save(path, Card("guide", card.spec, card.network | {"inputs": "loud"}, {}), arrays)
    with pytest.raises(HandrailError, match="inputs is 'loud', expected 'raw' or 'scaled'"):
        load_guide(path, toy_problem("toy"), limit=1.0)


def test_they_reach_guide_and_student(tmp_path, monkeypatch):
    use_toy(monkeypatch)
    row = small("control-switch", preset="recommended", source_data=False)
    assert row.knowledge["guide"].learning.inputs == row.run.learning.inputs == "scaled"
    guide = write_guide(tmp_path / "guide.safetensors", limit=row.knowledge["guide"].limit)
    for loop in (guide_loop(row.knowledge["guide"]), build(row.run, dict(guide=guide))):
        assert loop.agent.learner.inputs is not None
        fresh = loop.agent.learner.init(3, 2, (4,), key=jax.random.key(0))
        assert fresh.parameters.actor.inputs == fresh.parameters.critics.inputs
        assert fresh.parameters.actor.inputs == loop.agent.learner.inputs
    assert build(small("sac-lagrangian").run, dict()).agent.learner.inputs is None
