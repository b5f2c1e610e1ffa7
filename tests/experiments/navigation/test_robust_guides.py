"""Guides that learn in worlds that vary and disturb: what is stored, refused, and left alone."""

import dataclasses

import jax
import numpy as np
import pytest

from handrail.api.guides import train_guide as train_own
from handrail.core.arguments import override
from handrail.core.errors import HandrailError
from handrail.core.recorded import original, stable
from handrail.envs.navigation.physics import PhysicsRange
from handrail.interventions.disturbed import Disturbed
from handrail.methods.sagui.settings import GuideSettings, SacSettings
from handrail.methods.sagui.train_guide import guide_loop
from handrail.tasks.navigation import problems as navigation
from tests.envs.on_host import OnHost
from tests.envs.toys import Walker
from tests.experiments.navigation.toy import small, use_toy

ROBUST = {"guide.robust.disturbance": 0.2, "guide.robust.disturbed_by": "adversary"}


@pytest.fixture
def toy(monkeypatch):
    use_toy(monkeypatch)


def settings(**own):
    return small("budget-switch", preset="recommended", **own).knowledge["guide"]


def test_nothing_changes_for_guides_of_before():
    later = ("robust", "patience", "shield_limit")
    for told in (stable, original):
        assert not set(later) & set(told(GuideSettings()))
    everything = dataclasses.asdict(GuideSettings())
    assert {name: everything.pop(name) for name in later}["robust"] and everything.pop("learning")
    kept = stable(GuideSettings())  # as cards have it
    assert kept.pop("learning") == stable(SacSettings()) and kept == everything
    assert stable(override(GuideSettings(), {"robust.mass": 0.5}))["robust"]["mass"] == 0.5


@pytest.mark.parametrize("on_host", [False, True], ids=["compiled", "host"])
def test_the_disturbance_is_executed_and_the_action_is_stored(toy, on_host):
    """The toy moves by a tenth of what is executed."""
    guide = settings(**ROBUST | {"guide.learning.learning_starts": 20})
    source = navigation.source_of(guide)
    if on_host:
        source = dataclasses.replace(source, training=OnHost(source.training))
    loop = guide_loop(source, guide)
    assert isinstance(loop.intervention, Disturbed)
    state = loop.init(key=jax.random.key(0))
    for _ in range(2):
        state, record, _ = loop.blocks(state, 1, learn=False)
    state, *_ = loop.blocks(state, 1, learn=True) if on_host else (state,)
    steps = state.agent.replay.items
    count = 40 if not on_host else 20  # of a host loop the last block is learnt from late
    action, place, after = (
        np.asarray(each)[:count]
        for each in (steps.action, steps.observation["place"], steps.next_observation["place"])
    )
    other = (10 * (after - place) - 0.8 * action) / 0.2
    np.testing.assert_allclose(np.abs(other), 1, atol=1e-3)  # corners of the action space
    plain = ~np.asarray(steps.intervened)[:count]
    np.testing.assert_array_equal(action[plain], np.asarray(steps.proposed)[:count][plain])
    assert 0 < np.mean(np.asarray(record.evidence["disturbance"])) <= 0.4


def test_physics_vary_in_training_alone():
    guide = override(GuideSettings(), {"robust.mass": 0.5, "robust.gain": 0.25})
    source = navigation.source_of(guide)
    assert isinstance(source.training.physics, PhysicsRange)
    np.testing.assert_allclose(source.training.physics.low, [0.5, 1, 0.75])
    np.testing.assert_allclose(source.training.physics.high, [1.5, 1, 1.25])
    for other in (source.evaluation, source.shield_test, source.exits):
        assert other.physics is None
    assert navigation.source_of(GuideSettings()).training.physics is None


def test_what_does_nothing_is_refused(toy, tmp_path):
    alone = settings(**{"guide.robust.disturbed_by": "adversary"})
    with pytest.raises(HandrailError, match=r"robust.disturbed_by is 'adversary', but .* is 0"):
        guide_loop(navigation.source_of(alone), alone)
    for wrong in (1.0, -0.1):
        with pytest.raises(HandrailError, match=r"robust.mass is .*how far a factor varies"):
            settings(**{"guide.robust.mass": wrong})
    with pytest.raises(HandrailError, match="does not know the physics of your environment"):
        train_own(Walker, tmp_path, limit=1.0, robust={"damping": 0.5})
