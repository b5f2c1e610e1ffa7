"""A guide for numbered actions: safe where that is known, random where it is not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.interventions.near_unsafe import NearUnsafe
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import BelowMean, Coin
from handrail.methods.contrastive.artefacts import load_q
from handrail.methods.contrastive.compiled import compiled_problem
from handrail.methods.contrastive.guide import SoftmaxGuide, train_avoidance
from handrail.methods.contrastive.settings import (
    AVOIDING,
    AvoidanceSettings,
    Safety,
    StudentSettings,
)
from handrail.methods.contrastive.table import METHODS, LoadedKnowledge
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.settings import LavaGuide
from tests.envs.compiled_toys import Cells

KEYS = jax.random.split(jax.random.key(0), 2_000)


def drawn(values, temperature=0.05):
    guide = SoftmaxGuide(lambda seen: jnp.asarray(values, jnp.float32), temperature)
    actions, extras = jax.vmap(lambda key: guide(None, key))(KEYS)
    assert extras == {} and actions.dtype == jnp.int32
    return np.bincount(np.asarray(actions), minlength=len(values)) / len(KEYS)


def test_it_is_random_among_the_safe_and_never_unsafe():
    np.testing.assert_allclose(drawn([0, -1, 0, 0]), [1 / 3, 0, 1 / 3, 1 / 3], atol=0.04)


def test_probabilities_are_those_of_the_softmax():
    costs, temperature = np.array([0.0, 0.1, 0.3]), 0.1
    expected = np.exp(-costs / temperature) / np.exp(-costs / temperature).sum()
    np.testing.assert_allclose(drawn(-costs, temperature), expected, atol=0.04)


def test_what_is_not_finite_is_the_worst():
    assert drawn([0, np.nan, -1, np.inf])[0] == 1
    np.testing.assert_allclose(drawn([np.nan] * 4), [1 / 4] * 4, atol=0.04)


def test_rows_have_the_triggers_of_theirs_and_a_guide():
    known = LoadedKnowledge(
        4, lambda seen: jnp.zeros(4), lambda seen: seen, jnp.ones((5, 2)), lambda seen: jnp.zeros(4)
    )  # fmt: skip
    settings = StudentSettings(safety=Safety(guide_temperature=0.2))
    for name, twin in (("full-guide", "full"), ("state-guide", "state-only")):
        intervention = METHODS[name].intervention(settings, known)
        kinds = [type(one) for one in intervention.when.conditions]
        same = METHODS[twin].intervention(settings, known).when
        assert kinds == [type(one) for one in same.conditions]
        assert isinstance(intervention.what, Policy)
        assert intervention.what.act.temperature == 0.2
    assert kinds == [NearUnsafe, Coin]
    assert BelowMean in map(
        type, METHODS["full-guide"].intervention(settings, known).when.conditions
    )
    without = dataclasses.replace(known, guide=None)
    with pytest.raises(HandrailError, match="the method needs a guide, and none was loaded"):
        METHODS["state-guide"].intervention(settings, without)


def test_lava_acquires_a_guide_for_them():
    row = resolve({"environment": "LavaCrossingS9N1", "method": "state-guide", "seed": 7,
                   "knowledge": "many", "guide.steps": 5_000})  # fmt: skip
    assert row.knowledge.keys() == {"encoder", "guide"}
    assert row.knowledge["guide"] == LavaGuide(environment="LavaCrossingS9N2", view="egocentric",
                                               steps=5_000)  # fmt: skip
    with pytest.raises(HandrailError, match="guide"):
        resolve({"environment": "LavaCrossingS9N1", "method": "full-guide", "guide.limit": 1.0})


def test_it_learns_which_action_harms_without_reward(tmp_path):
    """In a corridor whose left end costs, and whose right end pays, which it is not told."""
    problem = compiled_problem("cells", Cells(), jnp.zeros(9), lambda key: jnp.zeros(9))
    learning = dataclasses.replace(
        AVOIDING, hidden=(32,), learning_starts=200, batch=32, target_every=50, train_every=5,
        replay=2_000, learning_rate=3e-3, discount=0.5,
    )  # fmt: skip
    path = tmp_path / "guide.safetensors"
    told = {"recorded": {"purpose": "guide"}, "provenance": {}}
    settings = AvoidanceSettings(steps=4_000, learning=learning)
    train_avoidance(problem, settings, tmp_path / "training", path, **told)
    assert load(path, expect="guide")[0].spec["actions"] == 2
    values = load_q(path, "guide", problem.inputs, 2)
    beside = np.asarray(values(jax.nn.one_hot(1, 9)))  # one step from harm
    np.testing.assert_allclose(beside[1], 0, atol=0.35)
    assert beside[0] < beside[1] - 0.4
    far = np.asarray(values(jax.nn.one_hot(7, 9)))
    np.testing.assert_allclose(far, 0, atol=0.15)  # also of the step that pays
    guide = SoftmaxGuide(values, 0.05)
    acts = jax.vmap(lambda key: guide(jax.nn.one_hot(1, 9), key)[0])(KEYS)
    assert np.mean(np.asarray(acts) == 1) > 0.99
