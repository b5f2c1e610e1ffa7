"""Fitted Q evaluation, held against chains whose costs-to-go are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.learners.fitted_q import FittedQSettings, PolicySteps, bellman_error, continued, fit

LENGTH, DISCOUNT = 6, 0.8
FAST = FittedQSettings(hidden=(32,), discount=DISCOUNT, updates=3_000, batch=64)


def chain(count=600, seed=0):
    """A chain of places 0 to 5: an action moves by −1 or 1, being at 5 costs 1 a step.

    The policy that is evaluated always moves left. Place 0 is the end.
    """
    random = np.random.default_rng(seed)
    places = random.integers(1, LENGTH, count)
    moves = random.choice([-1.0, 1.0], count)
    after = np.clip(places + moves, 0, LENGTH - 1)
    return PolicySteps(
        observations=places[:, None].astype(np.float32),
        actions=moves[:, None].astype(np.float32),
        costs=(after == LENGTH - 1)[:, None].astype(np.float32),
        discounts=np.where(after == 0, 0, DISCOUNT).astype(np.float32),
        next_observations=after[:, None].astype(np.float32),
        next_actions=np.full((count, 1), -1, np.float32),
    )


def known(place, move):
    """What the action costs if the policy goes on: only the step itself can end at 5."""
    return float(np.clip(place + move, 0, LENGTH - 1) == LENGTH - 1)


@pytest.fixture(scope="module")
def critics():
    return fit(chain(), FAST, key=jax.random.key(0))


def values(critics, places, moves):
    given = [jnp.array(numbers, jnp.float32)[:, None] for numbers in (places, moves)]
    return np.asarray(critics.batch(*given))[2]


def test_a_policy_that_leaves_danger_costs_one_step(critics):
    places, moves = [1, 2, 3, 4, 5, 4, 5], [1, 1, 1, 1, 1, -1, -1]
    expected = [known(*pair) for pair in zip(places, moves, strict=True)]
    assert values(critics, places, moves) == pytest.approx(expected, abs=0.06)


def test_the_held_out_error_is_small_where_nothing_is_random(critics):
    assert bellman_error(critics, chain(200, seed=1)) < 0.06
    worse = fit(chain(), FittedQSettings(hidden=(32,), updates=1), key=jax.random.key(0))
    assert bellman_error(worse, chain(200, seed=1)) > 0.2


def test_costs_that_never_end_sum_to_the_geometric_series():
    """Staying in danger for ever costs 1 / (1 − γ); a time limit does not end that."""
    count = 200
    ones = np.ones((count, 1), np.float32)
    at = np.random.default_rng(0).uniform(-1, 1, (count, 1)).astype(np.float32)
    stay = PolicySteps(at, 0 * ones, ones, DISCOUNT * ones[:, 0], at, 0 * ones)
    found = fit(stay, FAST, key=jax.random.key(0))
    assert values(found, [0.0], [0.0]) == pytest.approx([1 / (1 - DISCOUNT)], rel=0.03)
    ends = PolicySteps(at, 0 * ones, ones, 0 * ones[:, 0], at, 0 * ones)
    found = fit(ends, FAST, key=jax.random.key(0))
    assert values(found, [0.0], [0.0]) == pytest.approx([1.0], rel=0.03)


def test_units_of_the_inputs_do_not_matter():
    steps = chain()
    far = PolicySteps(
        1e4 + 1e3 * steps.observations, steps.actions, steps.costs, steps.discounts,
        1e4 + 1e3 * steps.next_observations, steps.next_actions,
    )  # fmt: skip
    found = fit(far, FAST, key=jax.random.key(0))
    expected = [known(4, 1), known(2, 1)]
    assert values(found, [1e4 + 4e3, 1e4 + 2e3], [1, 1]) == pytest.approx(expected, abs=0.08)


def test_costs_are_counted_for_as_long_as_the_policy_acts():
    """By hand: five steps, of which the third was another's, and the fifth ended an episode."""
    places = np.arange(5, dtype=np.float32)[:, None]
    steps = PolicySteps(
        places, places, np.float32([[1], [2], [4], [8], [16]]),
        np.float32([0.5, 0.5, 0.5, 0.5, 0.0]), places + 1, -places,
    )  # fmt: skip
    on_policy = np.array([True, True, False, True, True])
    found = continued(steps, on_policy, np.array([False] * 4 + [True]))
    assert found.costs[:, 0].tolist() == [2, 2, 12, 16, 16]
    assert found.discounts.tolist() == [0.25, 0.5, 0, 0, 0]
    assert found.next_observations[:, 0].tolist() == [2, 2, 5, 5, 5]
    assert found.next_actions[:, 0].tolist() == [-1, -1, -4, -4, -4]
    cut = continued(steps, np.ones(5, bool), np.array([False, True, False, False, True]))
    assert cut.costs[:2, 0].tolist() == [2, 2]  # a time limit: what comes then is another episode
    assert cut.discounts[:2].tolist() == [0.25, 0.5]
