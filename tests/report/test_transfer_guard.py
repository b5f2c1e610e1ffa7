"""The finding about random driving under a guide's guard."""

import jax.numpy as jnp
import pytest

from handrail.train.rollout.base import Episodes
from handrail.transfer_check.shield_finding import under_shield


def drives(costs, *, steps=100.0, taken_over=10.0):
    costs = jnp.array(costs)
    lengths, taken = (jnp.full(costs.shape, int(each)) for each in (steps, taken_over))
    return Episodes(jnp.zeros_like(costs), costs, lengths, interventions=taken)


HARMLESS = drives([0.0] * 20)


def test_a_cost_that_is_surely_over_the_limit_speaks_against_the_guide():
    found = under_shield(HARMLESS, drives([1.0, 2.0] * 10), limit=5.0, length=1000)
    assert "the shield test costs 15 an episode" in found.wrong
    assert found.target.startswith("15.00 [") and found.source == "0.00 [0.00, 0.00]"
    assert "10.0% and 10.0% of the steps" in found.question and not found.note


def test_a_cost_that_may_be_within_the_limit_is_noted():
    found = under_shield(HARMLESS, drives([12.0, *[0.0] * 19]), limit=5.0, length=1000)
    assert not found.wrong and "measure more episodes" in found.note


@pytest.mark.parametrize("costs", [[0.0] * 20, [1.0, *[0.0] * 19]])
def test_a_cost_within_the_limit_says_nothing(costs):
    found = under_shield(HARMLESS, drives(costs), limit=5.0, length=1000)
    assert not found.wrong and not found.note


def test_an_episode_is_one_of_the_targets_length():
    """Whatever the length of those that were driven, which may end early."""
    short = drives([1.0] * 20, steps=50.0)
    assert under_shield(short, short, limit=100.0, length=200).target.startswith("4.00 [")
