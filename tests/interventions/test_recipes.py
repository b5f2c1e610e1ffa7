"""Every recipe on scripted episodes: the exact steps in which the substitute acts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.interventions import recipes
from handrail.interventions.near_unsafe import NearUnsafe
from handrail.interventions.substitutes import Policy
from handrail.networks.lookup import Lookup
from tests.interventions.episodes import at, play, script, stepped_in

GUIDE = Policy(lambda observation, key: (jnp.int32(9), {}))
# Row 0: action 2 is bad. Row 1: all actions are equal. Row 2: only action 0 is good.
PRIOR = Lookup(jnp.array([[1.0, 1.0, -2.0], [0.7, 0.7, 0.7], [3.0, -1.0, -1.0]]))


def test_none_never_steps_in():
    decisions, _, _ = play(recipes.none(), script(20, proposed=list(range(20)), cost=[1.0] * 20))
    assert stepped_in(decisions) == []
    np.testing.assert_array_equal(decisions.action, np.arange(20))


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_control_switch_acts_from_the_step_after_the_first_cost_to_the_end(end):
    """Costs at 1, 3 (already latched), 4 (the last step) and 7; episodes end at 4, 6 and 9."""
    costs = [0, 0.5, 0, 1, 1, 0, 0, 2, 0, 0]
    decisions, _, _ = play(
        recipes.control_switch(GUIDE), script(10, cost=costs, **{end: at(10, 4, 6, 9)})
    )
    assert stepped_in(decisions) == [2, 3, 4, 8, 9]
    assert np.asarray(decisions.action).tolist() == [0, 0, 9, 9, 9, 0, 0, 0, 9, 9]


def test_linear_decay_acts_always_at_first_and_never_at_the_end():
    steps = 40
    ends = at(steps, *range(3, steps, 4))
    for progress, expected in ((0.0, list(range(steps))), (1.0, [])):
        played = script(steps, progress=[progress] * steps, truncated=ends)
        assert stepped_in(play(recipes.linear_decay(GUIDE), played)[0]) == expected


@pytest.fixture(scope="module")
def decayed():
    """Episodes of 8 steps at a progress of 0.3: the guide acts with probability 0.7."""
    steps, length = 24_000, 8
    ends = np.arange(steps) % length == length - 1
    played = script(steps, progress=[0.3] * steps, terminated=ends)
    decisions, memories, _ = play(recipes.linear_decay(GUIDE), played)
    shape = (-1, length)
    return (
        np.asarray(decisions.intervened).reshape(shape),
        np.asarray(memories["stepwise"]).reshape(shape),
    )


def test_linear_decay_has_its_probability_in_both_modes(decayed):
    intervened, stepwise = decayed
    assert np.all(stepwise == stepwise[:, :1]), "the mode changes only between episodes"
    assert stepwise[0, 0], "a run begins step-wise"
    modes = stepwise[:, 0]
    np.testing.assert_allclose(modes.mean(), 0.7, atol=0.03)
    np.testing.assert_allclose(intervened[modes].mean(), 0.7, atol=0.03)
    np.testing.assert_allclose(intervened[~modes].mean(), 0.7, atol=0.05)


def test_linear_decay_draws_one_coin_an_episode_or_one_a_step(decayed):
    intervened, stepwise = decayed
    whole = intervened.all(axis=1) | ~intervened.any(axis=1)
    modes = stepwise[:, 0]
    assert whole[~modes].all()
    np.testing.assert_allclose(whole[modes].mean(), 0.7**8 + 0.3**8, atol=0.02)


def test_linear_decay_hands_over_for_good_within_a_trajectory_wise_episode():
    """Its coin is kept while the probability falls: once the learner acts, it goes on acting."""
    steps, length = 3_000, 100
    ends = np.arange(steps) % length == length - 1
    decisions, memories, _ = play(recipes.linear_decay(GUIDE), script(steps, truncated=ends))
    episodes = np.asarray(decisions.intervened).reshape(-1, length)
    modes = np.asarray(memories["stepwise"]).reshape(-1, length)[:, 0]
    assert (np.diff(episodes[~modes].astype(int), axis=1) <= 0).all()
    assert (np.diff(episodes[modes].astype(int), axis=1) > 0).any()


def test_budget_switch_asks_about_the_proposed_action_and_counts_the_episode():
    """The critic foresees 2 for action 1 only; the limit of 3 is reached after steps 3 and 8."""
    critic = Lookup(jnp.array([0.5, 2.0, 1.0]))
    switch = recipes.budget_switch(
        GUIDE, lambda observation, action: critic(action), threshold=1.0, limit=3.0
    )
    played = script(
        10,
        proposed=[0, 1, 2, 0, 0, 0, 1, 2, 0, 0],
        cost=[1, 0, 1, 1, 0, 0, 0, 2, 1, 0],
        truncated=at(10, 5, 9),
    )
    decisions, _, _ = play(switch, played)
    assert stepped_in(decisions) == [1, 4, 5, 6, 9]
    assert np.flatnonzero(np.asarray(decisions.evidence["budget_spent"])).tolist() == [4, 5, 9]
    expected = critic.table[played["proposed"]]
    np.testing.assert_array_equal(decisions.evidence["predicted_cost"], expected)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_excursions_are_whole_spells_on_top_of_the_switch(share):
    """Episodes of 50 steps with a cost in the 25th: the switch alone acts in the second half."""
    spells, length = 300, recipes.INTERVAL_STEPS
    ends = np.arange(spells * length) % length == length - 1
    cost = (np.arange(spells * length) % length == 24).astype(float)
    played = script(spells * length, cost=cost, truncated=ends)
    switch = recipes.control_switch(GUIDE)
    joined = recipes.with_guide_intervals(switch, share, key=jax.random.key(3))
    decisions, _, _ = play(joined, played)
    acted = np.asarray(decisions.intervened).reshape(spells, length)
    assert acted[:, 25:].all(), "the switch is kept"
    assert (acted[:, :25] == acted[:, :1]).all(), "an excursion is a whole spell"
    assert acted[:, 0].mean() == pytest.approx(share, abs=0.08)  # three deviations of 300 coins
    np.testing.assert_array_equal(np.asarray(decisions.action) == 9, acted.ravel())


def test_domain_prior_replaces_exactly_the_actions_below_the_mean():
    observation, proposed = [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]
    played = script(8, observation=observation, proposed=proposed)
    for seed in range(5):
        decisions, _, _ = play(
            recipes.domain_prior(PRIOR, prior_prob=1.0), played, key=jax.random.key(seed)
        )
        assert stepped_in(decisions) == [2, 6, 7]
        action = np.asarray(decisions.action)
        assert action[2] in (0, 1)
        assert action[6] == action[7] == 0
    decisions, _, _ = play(recipes.domain_prior(PRIOR, prior_prob=0.0), played)
    assert stepped_in(decisions) == []


def test_domain_prior_acts_with_its_probability():
    decisions, _, _ = play(
        recipes.domain_prior(PRIOR, prior_prob=0.95), script(20_000, proposed=[2] * 20_000)
    )
    np.testing.assert_allclose(np.asarray(decisions.intervened).mean(), 0.95, atol=0.005)
    first = np.asarray(decisions.action)[np.asarray(decisions.intervened)] == 0
    np.testing.assert_allclose(first.mean(), 0.5, atol=0.015)


def near(**options) -> NearUnsafe:
    """Embeddings in a plane: rows 0 and 1 side by side, row 2 far away."""
    places = Lookup(jnp.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]))
    return NearUnsafe(places, jnp.zeros((0, 2)), **options)


def test_contrastive_needs_more_than_three_violations_a_near_state_and_a_bad_action():
    """Violations in row 0 at steps 0 to 3; then each row, with bad actions and good."""
    played = script(
        10,
        observation=[0, 0, 0, 0, 0, 1, 2, 0, 2, 0],
        proposed=[2, 2, 2, 2, 2, 2, 2, 0, 1, 2],
        cost=[1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
        terminated=at(10, 0, 1, 2, 3),
    )
    decisions, _, _ = play(recipes.contrastive(near(), PRIOR, prior_prob=1.0), played)
    assert stepped_in(decisions) == [4, 9]
    states = np.flatnonzero(np.asarray(decisions.evidence["state_check"])).tolist()
    assert states == [4, 5, 7, 9]
    actions = np.flatnonzero(np.asarray(decisions.evidence["action_check"])).tolist()
    assert actions == [0, 1, 2, 3, 4, 6, 8, 9]
    np.testing.assert_allclose(decisions.evidence["distance"][4:7], [0.0, 1.0, 9.0])


def test_known_embeddings_speak_from_the_first_step():
    known = NearUnsafe(near().embed, jnp.zeros((4, 2)))
    played = script(3, observation=[0, 1, 2], proposed=[2, 2, 2])
    decisions, _, _ = play(recipes.contrastive(known, PRIOR, prior_prob=1.0), played)
    assert np.asarray(decisions.evidence["state_check"]).tolist() == [True, True, False]
    assert stepped_in(decisions) == [0]


def test_state_check_only_replaces_any_action_near_an_unsafe_state():
    played = script(
        400, observation=[0] * 4 + [0, 2] * 198, proposed=[5] * 400, cost=[1.0] * 4 + [0.0] * 396
    )
    decisions, _, _ = play(recipes.state_check_only(near(), 7, prior_prob=1.0), played)
    assert stepped_in(decisions) == list(range(4, 400, 2))
    taken = np.asarray(decisions.action)[4::2]
    assert set(taken.tolist()) == set(range(7)), "any action may come, the proposed one included"
    assert (np.asarray(decisions.action)[5::2] == 5).all()


def test_shield_acts_where_the_predicate_holds():
    shield = recipes.shield(lambda context: context.proposed > context.episode_step, GUIDE)
    played = script(6, proposed=[0, 1, 3, 3, 1, 1], terminated=at(6, 3))
    decisions, _, _ = play(shield, played)
    assert stepped_in(decisions) == [2, 4]
    assert np.asarray(decisions.action).tolist() == [0, 1, 9, 3, 9, 1]
