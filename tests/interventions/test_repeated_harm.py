"""What did harm once is bad from then on, near where it did."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import NearUnsafe
from handrail.interventions.recipes import contrastive
from handrail.interventions.repeated_harm import RepeatsHarm
from handrail.interventions.substitutes import (
    FirstAvailable,
    Policy,
    Proposed,
    RandomAboveMean,
)
from handrail.train.evidence import may_leave
from tests.interventions.episodes import play, script
from tests.interventions.test_near_unsafe import context, identity

PLACES = jnp.asarray([[0.0, 0.0], [0.4, 0.0], [3.0, 0.0], [jnp.nan, 0.0]])


def remembers(**options) -> RepeatsHarm:
    return RepeatsHarm(lambda place: PLACES[place], latent=2, **{"distance": 0.5, **options})


def fired(steps, trigger=None):
    """Whether the trigger fired at each of these steps: (place, proposed action, cost)."""
    places, actions, costs = zip(*steps, strict=True)
    played = script(len(steps), observation=places, proposed=actions, cost=costs)
    decisions, _, _ = play(Intervention(trigger or remembers(), Proposed()), played)
    return np.asarray(decisions.evidence["repeats_harm"]).tolist()


def test_the_action_is_bad_near_where_it_did_harm_and_nowhere_else():
    steps = [(0, 2, 0.0), (0, 2, 1.0), (0, 2, 0.0), (0, 1, 0.0), (1, 2, 0.0), (2, 2, 0.0)]
    assert fired(steps) == [False, False, True, False, True, False]
    assert fired([(place, action, 0.0) for place, action, _ in steps]) == [False] * 6


def test_another_action_that_does_harm_there_is_remembered_beside_it():
    steps = [(0, 2, 1.0), (0, 1, 1.0), (0, 2, 0.0), (0, 1, 0.0), (0, 0, 0.0)]
    assert fired(steps) == [False, False, True, True, False]


def test_what_is_known_takes_no_place_from_what_is_not():
    """Of two places in the memory none goes to a mistake that is repeated."""
    steps = [(2, 0, 1.0), *[(0, 2, 1.0)] * 5, (2, 0, 0.0), (0, 2, 0.0)]
    assert fired(steps, remembers(capacity=2))[-2:] == [True, True]
    assert fired([*steps[:-2], (1, 1, 1.0), *steps[-2:]], remembers(capacity=2))[-2:] == [
        False, True
    ]  # fmt: skip


def test_an_embedding_that_is_not_finite_fires_and_is_never_stored():
    assert fired([(3, 0, 1.0), (0, 0, 0.0)]) == [True, False]
    assert fired([(0, 0, jnp.nan), (0, 0, 0.0)]) == [False, True]  # a cost that is none is harm


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=12))
@settings(max_examples=20)
def test_it_is_the_naive_twin(steps):
    steps = [*steps, (0, 0, False)]
    steps += [(2, 2, False)] * (13 - len(steps))  # one length, one compilation
    known, expected = [], []
    for place, action, harm in steps:
        at = np.asarray(PLACES[place])
        repeats = any(a == action and np.linalg.norm(e - at) < 0.5 for e, a in known)
        expected.append(repeats)
        if harm and not repeats:
            known.append((at, action))
    assert fired([(p, a, float(h)) for p, a, h in steps]) == expected


def test_what_acts_instead_is_another_action():
    values = jnp.asarray([-3.0, 1.0, 1.0, 1.0])
    what = RandomAboveMean(lambda row: values, -0.5)
    keys = jax.random.split(jax.random.key(0), 100)
    drawn = jax.vmap(lambda key: what(context(0, 2), key=key).action)(keys)
    assert set(np.asarray(drawn).tolist()) == {1, 3}


def test_the_recipe_asks_it_only_where_it_is_told_to():
    prior, near = (lambda latent: jnp.asarray([1.0, 0.0])), identity()
    assert len(contrastive(near, prior).when.conditions) == 3
    judged = contrastive(near, prior, repeat_distance=1.0)
    assert isinstance(judged.when, RepeatsHarm)
    assert (judged.when.distance, judged.when.latent) == (1.0, 50)
    assert len(judged.first.when.conditions) == 3


@pytest.mark.parametrize("rated", [[0.0, 0.0, 0.0], [-1.0, -1.0, 2.0]])
def test_another_action_acts_even_where_the_prior_rates_none_higher(rated):
    recipe = contrastive(
        NearUnsafe(lambda place: PLACES[place], jnp.zeros((0, 2))),
        lambda place: jnp.asarray(rated), repeat_distance=1.0,
    )  # fmt: skip
    played = script(50, observation=[0] * 50, proposed=[2] * 50, cost=[1.0, *[0.0] * 49])
    decisions, _, _ = play(recipe, played)
    assert set(np.asarray(decisions.action[1:]).tolist()) == {0, 1}


def test_neither_the_learner_nor_what_acts_instead_repeats_harm():
    """The prior flags action 0 and rates 1, which does harm here, as highly as 2."""
    values = jnp.asarray([-1.0, 0.5, 0.5])
    known = jnp.zeros((10, 2))
    near = NearUnsafe(lambda place: PLACES[place], known, capacity=10)
    steps = 200
    proposed = [1, *[0, 1] * (steps // 2)][:steps]
    played = script(steps, observation=[0] * steps, proposed=proposed, cost=[1.0, *[0.0] * 199])
    for distance, repeated in ((0.0, True), (1.0, False)):
        recipe = contrastive(near, lambda place: values, prior_prob=1.0, repeat_distance=distance)
        decisions, _, _ = play(recipe, played)
        assert decisions.action[0] == 1  # nobody knew
        assert (1 in np.asarray(decisions.action[1:])) == repeated


def test_substitutes_in_turn_are_looked_at_one_by_one():
    """Only what draws from the action space is never checked for leaving it."""
    drawn = RandomAboveMean(lambda row: jnp.zeros(3))
    users = Policy(lambda observation, key: (jnp.int32(7), {}))
    for substitutes, may in (((drawn, drawn), False), ((drawn, users), True)):
        assert may_leave(Intervention(remembers(), FirstAvailable(substitutes))) == may
