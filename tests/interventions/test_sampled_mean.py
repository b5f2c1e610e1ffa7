"""The action check for real actions: a known mean, a naive twin, and what it does not know."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Context
from handrail.equations.safety_checks import value_over_sampled_mean
from handrail.interventions.sampled_mean import BelowSampledMean

ZERO, KEY = jnp.int32(0), jax.random.key(3)


def verdict(trigger, action, observation=0.0):
    now = Context(jnp.asarray(observation), jnp.asarray(action), {}, ZERO, ZERO, ZERO,
                  jnp.float32(0), jnp.float32(0))  # fmt: skip
    return trigger(now, (), key=KEY)


def test_it_fires_where_an_action_is_worse_than_the_mean_over_the_box():
    """Of −a² over [−1, 1] the mean is −1/3: actions beyond 1/√3 are worse."""
    trigger = BelowSampledMean(lambda seen, a: -jnp.sum(a**2), samples=4_096)
    fires = [bool(verdict(trigger, [x]).fires) for x in (-0.9, -0.62, -0.54, 0.0, 0.54, 0.62, 0.9)]
    assert fires == [True, True, False, False, False, True, True]
    middle = verdict(trigger, [0.0]).evidence["prior_advantage"]
    assert float(middle) == pytest.approx(1 / 3, abs=0.02)


def test_by_a_margin_it_fires_later():
    late = BelowSampledMean(lambda seen, a: -jnp.sum(a**2), threshold=-0.3, samples=4_096)
    assert [bool(verdict(late, [x]).fires) for x in (0.62, 0.75, 0.85)] == [False, False, True]


def test_it_is_the_naive_twin():
    weights = jnp.array([0.7, -1.3, 0.2])

    def prior(seen, action):
        return seen * jnp.tanh(weights @ action)

    trigger = BelowSampledMean(prior, -0.1, samples=9)
    for seen in (-2.0, 0.0, 1.5):
        for number in range(5):
            action = np.random.default_rng(number).uniform(-1, 1, 3).astype(np.float32)
            others = jax.random.uniform(KEY, (9, 3), minval=-1, maxval=1)
            values = [float(seen * np.tanh(weights @ other)) for other in others]
            advantage = float(seen * np.tanh(weights @ action)) - sum(values) / 9
            found = verdict(trigger, action, seen)
            assert float(found.evidence["prior_advantage"]) == pytest.approx(advantage, abs=1e-5)
            assert bool(found.fires) == bool(found.evidence["action_check"]) == (advantage < -0.1)


def test_equal_values_are_exactly_none_below_their_mean():
    sampled = jnp.full(7, 0.1, jnp.float32)
    assert float(value_over_sampled_mean(sampled[0], sampled)) == 0
    assert not verdict(BelowSampledMean(lambda seen, a: jnp.float32(0.1), samples=7), [0.3]).fires


def test_what_is_not_finite_fires_and_says_so():
    def broken(seen, action):
        return jnp.where(action[0] > 0, jnp.nan, 1.0)

    for action in (-0.5, 0.5):
        found = verdict(BelowSampledMean(broken, samples=16), [action])
        assert found.fires and found.not_finite
    fine = verdict(BelowSampledMean(lambda seen, a: a[0]), [0.9])
    assert not fine.fires and not fine.not_finite


def test_mistakes_are_one_line():
    with pytest.raises(HandrailError, match="samples is 0: expected how many actions"):
        BelowSampledMean(lambda seen, a: a[0], samples=0)
    with pytest.raises(HandrailError, match="take BelowMean, which asks the prior"):
        verdict(BelowSampledMean(lambda seen, a: jnp.float32(a)), 1)
    with pytest.raises(HandrailError, match="the prior gives 2 numbers"):
        verdict(BelowSampledMean(lambda seen, a: a), [0.1, 0.2])
