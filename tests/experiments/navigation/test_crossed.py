"""A guide that acts near unsafe states: the encoder of the source, and the rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.recorded import stable
from handrail.equations.safety_checks import mean_nearest_distance
from handrail.interventions.base import All, Either
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.sampled_mean import BelowSampledMean
from handrail.interventions.triggers import BudgetSpent, CostCriticExceeds
from handrail.knowledge.matching import matching
from handrail.learners.sac.networks import observation_vector
from handrail.methods.contrastive.artefacts import read_encoder
from handrail.methods.sagui import watching
from handrail.methods.sagui.state_check import encoder_inputs, open_encoder
from handrail.methods.sagui.table import METHODS, RECIPES
from handrail.methods.sagui.train_student import check
from handrail.methods.sagui.watching import check_triggers, triggers_of
from handrail.tasks.navigation.family import NAVIGATION, resolve_settings
from handrail.tasks.navigation.problems import target_of
from tests.experiments.navigation.toy import COSTLY, SMALL, Toy, build, small, use_toy, write_guide

NEAR = [name for name, row in METHODS.items() if "encoder" in row.needs]
ENCODER = {"encoder.steps": 6_000, "encoder.latent": 3, "encoder.hidden": [32],
           "encoder.train_every": 1, "encoder.batch": 64, "encoder.horizon": 2,
           "encoder.episode_length": 10}  # fmt: skip


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    """A guide that foresees nothing, and an encoder that was learnt in the source."""
    with pytest.MonkeyPatch.context() as patch:
        use_toy(patch)
        folder = tmp_path_factory.mktemp("knowledge")
        settings = small("near-unsafe-switch", **ENCODER).knowledge["encoder"]
        NAVIGATION.acquire("encoder", settings, folder, lambda what, step, total: None)
        yield {"guide": write_guide(folder / "guide.safetensors"),
               "encoder": folder / "encoder.safetensors"}  # fmt: skip


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    use_toy(monkeypatch)


def conditions(method, knowledge, **own):
    return build(small(method, **own).run, knowledge).intervention.when


def test_the_encoder_tells_the_states_that_harm_follows(knowledge):
    """Steps 3 and 4 of ten cost, whatever is done; so harm is within two steps of 2, 3 and 4."""
    target = target_of(small("near-unsafe-switch").run)
    known = open_encoder(knowledge["encoder"], target)
    world = Toy(True)
    state, _ = world.reset(key=jax.random.key(1))
    distances = []
    for step in range(9):
        seen = world.observe(type(state)(state.place, jnp.int32(step)))
        z = known.embed(seen)
        distances.append(float(mean_nearest_distance(z, known.unsafe, len(known.unsafe))))
    nearest = np.argsort(distances)[:3]
    assert set(nearest.tolist()) == {min(COSTLY) - 1, *COSTLY}, distances


def test_the_view_shows_the_encoder_what_it_saw_in_the_source(knowledge):
    target = target_of(small("near-unsafe-switch").run)
    known = open_encoder(knowledge["encoder"], target)
    world, source = Toy(True), Toy(False)
    state, seen = world.reset(key=jax.random.key(5))
    own = source.observe(state)
    inputs = encoder_inputs(own, {name: list(part.shape) for name, part in own.items()})
    encoder = read_encoder(knowledge["encoder"], inputs).encoder
    scaled = inputs.scaled(observation_vector(own))
    np.testing.assert_allclose(known.embed(seen), encoder(scaled), rtol=1e-6)
    moved = {**seen, "goal_lidar": seen["goal_lidar"] + 9}
    np.testing.assert_array_equal(known.embed(moved), known.embed(seen))


def test_rows_say_when(knowledge):
    near, spent = conditions("near-unsafe-switch", knowledge).conditions
    assert isinstance(near, NearUnsafe) and isinstance(near.radius, FixedRadius)
    assert spent.limit == SMALL["limit"] and len(near.initial_embeddings) > 3
    both, _ = conditions("near-unsafe-and-cost", knowledge).conditions
    assert isinstance(both, All)
    assert [type(one) for one in both.conditions] == [NearUnsafe, CostCriticExceeds]
    either = conditions("near-unsafe-or-cost", knowledge)
    assert isinstance(either, Either)
    assert [type(one) for one in either.conditions] == [NearUnsafe, CostCriticExceeds, BudgetSpent]
    both, _ = conditions("state-action-switch", knowledge, **{"near.threshold": -0.5}).conditions
    assert [type(one) for one in both.conditions] == [NearUnsafe, BelowSampledMean]
    assert both.conditions[1].threshold == -0.5


def test_settings_reach_the_check(knowledge):
    own = {"near.adaptive": True, "near.max_distance": 1.5, "near.quantile": 0.1,
           "near.bring_known": False, "near.capacity": 7}  # fmt: skip
    near, _ = conditions("near-unsafe-switch", knowledge, **own).conditions
    assert near.radius == AdaptiveRadius(1.5, 0.1)
    assert near.initial_embeddings.shape == (0, 3) and near.capacity == 7


def test_the_prior_of_the_action_check_is_the_critic_times_minus_one(knowledge):
    near_and_bad, _ = conditions("state-action-switch", knowledge).conditions
    cost = conditions("budget-switch", knowledge).conditions[0].critic
    _, seen = Toy(True).reset(key=jax.random.key(2))
    action = jnp.array([0.3, -0.8])
    np.testing.assert_allclose(near_and_bad.conditions[1].prior(seen, action), -cost(seen, action))


def test_what_is_missing_or_unused_is_said(knowledge):
    run = small("near-unsafe-switch").run
    with pytest.raises(HandrailError, match="needs the file of a encoder"):
        check(run, {"guide": knowledge["guide"]})
    with pytest.raises(HandrailError, match=r"'budget-switch' has no encoder .*leave it out"):
        check(small("budget-switch", **{"near.adaptive": True}).run, knowledge)
    with pytest.raises(HandrailError, match="threshold"):
        small("near-unsafe-switch", **{"near.threshold": 0.5})
    with pytest.raises(HandrailError, match="no guide's critic says when it takes over"):
        check(small("near-unsafe-switch", **{"takeover.pessimism": 1.0}).run, knowledge)
    settings = small("near-unsafe-switch", **{"encoder.steps": 150}).knowledge["encoder"]
    with pytest.raises(HandrailError, match=r"encoder.steps is 150: expected a multiple of 100"):
        NAVIGATION.acquire("encoder", settings, knowledge["guide"].parent / "new", print)


def test_an_encoder_of_other_parts_is_refused(knowledge):
    target = target_of(small("near-unsafe-switch").run)
    with pytest.raises(HandrailError, match="encoder"):
        open_encoder(knowledge["encoder"], dataclasses.replace(target, view=None))


def test_older_runs_are_known_as_before():
    assert "near" not in stable(small("budget-switch").run)
    assert stable(small("near-unsafe-switch", **{"near.adaptive": True}).run)["near"]["adaptive"]


def test_every_row_has_the_guide_of_budget_switch_and_its_own_encoder():
    chosen = {"environment": "navigation-static", "steps": 30_000, "epoch": 10_000, "seed": 3,
              "preset": "recommended"}  # fmt: skip
    plain = resolve_settings(chosen | {"method": "budget-switch"})
    for method in NEAR:
        row = resolve_settings(chosen | {"method": method})
        assert row.knowledge.keys() == {"guide", "encoder"}
        assert row.knowledge["guide"] == plain.knowledge["guide"]
        assert row.knowledge["encoder"].seed == 3
        assert (row.run.replay, row.run.limit_fraction) == ("ring", 1.0)
        assert "encoder" not in matching(row)  # what ships was learnt in lava
        assert method not in RECIPES
    assert resolve_settings(chosen | {"method": NEAR[1]}).run.threshold == plain.run.threshold


def test_triggers_are_compared_on_the_same_states(knowledge, monkeypatch):
    run = small("near-unsafe-switch").run
    target = target_of(run)
    assert set(NEAR) < set(triggers_of(target, run, knowledge))
    few = {name: METHODS[name] for name in ("budget-switch", *NEAR[:3])}
    monkeypatch.setattr(watching, "METHODS", few)  # each compiles for a while
    rows = check_triggers(target, run, knowledge, None, within=2, episodes=3, key=jax.random.key(0))
    found = {row["trigger"]: row for row in rows}
    assert list(found) == [*few, "any step"]
    assert found["any step"]["precision"] == pytest.approx(3 / 10)
    assert found["budget-switch"]["fired"] == 0  # this guide foresees nothing
    assert found["near-unsafe-or-cost"]["fired"] == found["near-unsafe-switch"]["fired"]
    assert found["near-unsafe-and-cost"]["fired"] == 0


def test_what_is_watched_is_what_the_knowledge_allows(knowledge):
    target = target_of(small("budget-switch").run)
    few = triggers_of(target, small("budget-switch").run, {"guide": knowledge["guide"]})
    assert set(few) == {"budget-switch", "sum-switch", "advantage-switch"}
    with pytest.raises(HandrailError, match="'sac-lagrangian' foresees nothing"):
        triggers_of(target, small("sac-lagrangian").run, {})
