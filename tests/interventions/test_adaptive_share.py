"""The share of the guide follows what episodes have cost, and nothing else."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.interventions import recipes
from handrail.interventions.adaptive_share import next_share
from handrail.interventions.substitutes import Policy
from tests.interventions.episodes import play, script, stepped_in

GUIDE = Policy(lambda observation, key: (jnp.int32(9), {}))
LENGTH = 4


def shares(costs: list[float], *, limit: float = 2.0, rate: float = 0.25, **options):
    """The share in every episode of four steps; each costs so much, all in its second step."""
    steps = LENGTH * len(costs)
    paid = np.zeros(steps)
    paid[1::LENGTH] = costs
    ends = np.arange(steps) % LENGTH == LENGTH - 1
    played = script(steps, cost=paid.tolist(), truncated=ends, **options)
    decisions, memories, _ = play(recipes.adaptive_share(GUIDE, limit=limit, rate=rate), played)
    return decisions, np.asarray(memories["share"]).reshape(-1, LENGTH)


@given(
    st.floats(0, 1), st.floats(0, 1_000), st.floats(0.1, 100), st.floats(0.01, 1)
)  # fmt: skip
def test_the_share_is_that_of_a_naive_twin(share, cost, limit, rate):
    expected = min(1.0, max(0.0, share + rate * (cost / limit - 1)))
    given = next_share(jnp.float32(share), jnp.float32(cost), limit=limit, rate=rate)
    assert float(given) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("cost", [np.nan, np.inf])
def test_a_cost_that_is_no_number_calls_the_guide_back(cost):
    assert next_share(jnp.float32(0), jnp.float32(cost), limit=1.0) == 1


def test_it_falls_after_safe_episodes_stays_at_the_limit_and_rises_after_others():
    _, found = shares([0, 0, 2, 4, 0, 0, 100, 0])
    assert (found == found[:, :1]).all(), "the share changes between episodes alone"
    np.testing.assert_allclose(found[:, 0], [1, 0.75, 0.5, 0.5, 0.75, 0.5, 0.25, 1])


def test_costs_of_all_steps_count_the_last_one_too():
    ends = np.array([False, True, False, True])
    played = script(4, cost=[1, 3, 0, 0], truncated=ends)
    _, memories, _ = play(recipes.adaptive_share(GUIDE, limit=2.0, rate=0.25), played)
    np.testing.assert_allclose(memories["share"], [1, 1, 1, 1])  # 1 + 0.25, at most 1
    played = script(4, cost=[0, 1, 0, 0], truncated=ends)
    _, memories, _ = play(recipes.adaptive_share(GUIDE, limit=2.0, rate=0.25), played)
    np.testing.assert_allclose(memories["share"], [1, 1, 0.875, 0.875])


def test_the_guide_acts_always_at_first_and_never_once_all_was_safe():
    decisions, _ = shares([0.0] * 10)
    where = stepped_in(decisions)
    assert where[:LENGTH] == list(range(LENGTH))
    assert max(where) < 4 * LENGTH, "after four safe episodes the share is 0"


def test_progress_does_not_matter():
    """Linear decay would never act at a progress of 1."""
    for progress in (0.0, 1.0):
        decisions, _ = shares([4.0] * 5, progress=[progress] * 5 * LENGTH)
        assert stepped_in(decisions) == list(range(5 * LENGTH))


def test_it_acts_in_its_share_of_the_steps():
    """Episodes at the limit leave the share, here at 0.6, where it is."""
    episodes = 6_000
    steps = LENGTH * episodes
    costs = np.zeros(steps)
    costs[LENGTH::LENGTH] = 2.0  # at the limit; the first one is free
    ends = np.arange(steps) % LENGTH == LENGTH - 1
    recipe = recipes.adaptive_share(GUIDE, limit=2.0, rate=0.4)
    decisions, memories, _ = play(recipe, script(steps, cost=costs.tolist(), terminated=ends))
    assert np.asarray(memories["share"])[-1] == pytest.approx(0.6)
    acted = np.asarray(decisions.intervened)[LENGTH:]
    assert acted.mean() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"limit": 1.0, "rate": 0.0}])
def test_what_cannot_be_a_limit_or_a_rate_is_refused(wrong):
    with pytest.raises(HandrailError, match=r"(limit|rate) is 0"):
        recipes.adaptive_share(GUIDE, **wrong)
