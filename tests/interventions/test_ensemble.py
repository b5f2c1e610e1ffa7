"""The action check by several priors, against a loop over members and actions."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handrail.core.errors import HandrailError
from handrail.equations.safety_checks import pessimistic_advantages, values_over_mean
from handrail.interventions.base import All, Intervention
from handrail.interventions.ensemble import (
    AdvantageBelow,
    PessimisticAdvantages,
    RandomAdvantageous,
)
from handrail.interventions.fit import check_numbered
from handrail.interventions.recipes import domain_prior
from handrail.interventions.substitutes import RandomAboveMean
from handrail.interventions.triggers import BelowMean
from tests.interventions.episodes import play, script, stepped_in

# by row: members agree that action 0 is bad; they agree that none is; they disagree about 0
VALUES = jnp.array(
    [
        [[-3.0, 1, 1, 1], [-3.0, 1, 1, 1]],
        [[0.0, 0, 0, 0], [0.0, 0, 0, 0]],
        [[-1.0, 0, 0, 0], [3.0, 0, 0, 0]],
    ]
)


def naive(values, pessimism):
    found = []
    for action in range(values.shape[1]):
        advantages = [float(q[action]) - sum(map(float, q)) / len(q) for q in values]
        mean = sum(advantages) / len(advantages)
        variance = sum((a - mean) ** 2 for a in advantages) / len(advantages)
        found.append(mean - pessimism * variance**0.5)
    return found


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (3, 4), elements=st.floats(-8, 8, width=32)), st.sampled_from([0, 0.5, 2])
)
def test_pessimistic_advantages_equal_a_loop(values, pessimism):
    found = pessimistic_advantages(jnp.asarray(values), pessimism)
    np.testing.assert_allclose(found, naive(values, pessimism), atol=1e-4)


def test_of_one_member_they_are_its_advantages():
    q = jnp.array([[1.0, 5, 2, 2]])
    np.testing.assert_array_equal(pessimistic_advantages(q, 9.0), values_over_mean(q[0]))


def check(pessimism, threshold=-0.05):
    advantages = PessimisticAdvantages(lambda row: VALUES[row], pessimism)
    when = AdvantageBelow(advantages, threshold)
    return Intervention(when, RandomAdvantageous(advantages, threshold))


def test_disagreement_fires_with_pessimism_alone():
    """Of the third row the mean advantage of action 0 is 0.75, and its deviation 1.5."""
    played = script(3, observation=[0, 1, 2], proposed=[0] * 3)
    for pessimism, fires in ((0.0, [0]), (0.4, [0]), (0.6, [0, 2]), (5.0, [0, 2])):
        decisions, _, _ = play(check(pessimism), played)
        assert stepped_in(decisions) == fires
        assert np.asarray(decisions.evidence["action_check"]).nonzero()[0].tolist() == fires
    found = np.asarray(decisions.evidence["prior_advantage"])
    np.testing.assert_allclose(found, [-3, 0, 0.75 - 5 * 1.5], atol=1e-6)


def test_what_acts_is_never_flagged_where_another_is_not_and_never_nothing():
    rows, proposed = [0, 2] * 40, [0] * 80
    played = script(80, observation=rows, proposed=proposed)
    decisions, _, _ = play(check(0.6), played)
    actions = np.asarray(decisions.action)
    assert set(actions[::2]) == {1, 2, 3}
    # of the third row all are below the threshold: 0.75 - 0.9 is the highest but for none
    advantages = naive(np.asarray(VALUES[2]), 0.6)
    assert max(advantages) < -0.05
    assert set(actions[1::2]) == set(np.flatnonzero(np.isclose(advantages, max(advantages))))
    assert np.asarray(decisions.intervened).all()


def test_a_member_that_is_not_finite_means_step_in():
    values = VALUES.at[1, 1, 2].set(jnp.nan)
    advantages = PessimisticAdvantages(lambda row: values[row], 0.0)
    intervention = Intervention(AdvantageBelow(advantages), RandomAdvantageous(advantages))
    played = script(40, observation=[1] * 40, proposed=[3] * 40)
    decisions, _, _ = play(intervention, played)
    assert np.asarray(decisions.intervened).all() and np.asarray(decisions.not_finite).all()
    assert set(np.asarray(decisions.action)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("prior", "kinds"),
    [
        (lambda row: VALUES[row][0], (BelowMean, RandomAboveMean)),
        (PessimisticAdvantages(lambda row: VALUES[row]), (AdvantageBelow, RandomAdvantageous)),
    ],
)
def test_recipes_check_with_what_they_are_given(prior, kinds):
    intervention = domain_prior(prior)
    assert isinstance(intervention.when, All)
    assert isinstance(intervention.when.conditions[1], kinds[0])
    assert isinstance(intervention.what, kinds[1])


def test_without_pessimism_members_that_agree_are_one_prior():
    rng = np.random.default_rng(0)
    one = jnp.asarray(rng.normal(size=(50, 5)), jnp.float32)
    same = jnp.stack([one, one, one], axis=1)
    played = script(200, observation=list(rng.integers(50, size=200)),
                    proposed=list(rng.integers(5, size=200)))  # fmt: skip
    found = [
        play(domain_prior(prior, prior_prob=1.0, threshold=-0.05), played)[0]
        for prior in (lambda row: one[row], PessimisticAdvantages(lambda row: same[row], 3.0))
    ]
    assert stepped_in(found[0]) == stepped_in(found[1]) != []


def test_members_of_another_shape_are_refused():
    flat = PessimisticAdvantages(lambda row: VALUES[row][0])
    with pytest.raises(HandrailError, match=r"shape \(4,\); expected a row of values for each"):
        flat(0)
    check_numbered(check(1.0), np.int32(0), 4)
    with pytest.raises(HandrailError, match="5"):
        check_numbered(check(1.0), np.int32(0), 5)
