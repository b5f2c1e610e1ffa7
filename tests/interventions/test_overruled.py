"""One intervention after another: the second judges what the first decided."""

import jax.numpy as jnp
import numpy as np
import pytest

from handrail.interventions.base import Intervention
from handrail.interventions.overruled import overruled
from handrail.interventions.recipes import none, shield
from handrail.interventions.substitutes import Policy, RandomAction
from handrail.interventions.triggers import AfterFirstCost, Coin
from tests.interventions.episodes import at, play, script

STEPS = 8


def constant(action):
    return Policy(lambda observation, key: (jnp.int32(action), {}))


def test_the_second_sees_and_replaces_what_the_first_decided():
    first = Intervention(AfterFirstCost(), constant(5))  # from step 3 on
    last = shield(lambda context: (context.proposed == 5) & (context.step % 2 == 0), constant(7))
    played = script(STEPS, proposed=[1] * STEPS, cost=[0, 0, 1, 0, 0, 0, 0, 0])
    decision, *_ = play(overruled(first, by=last), played)
    assert decision.action.tolist() == [1, 1, 1, 5, 7, 5, 7, 5]
    assert decision.intervened.tolist() == [False] * 3 + [True] * 5
    assert decision.evidence["shield"].tolist() == at(STEPS, 4, 6)
    assert set(decision.evidence) == {"latched", "shield_predicate", "shield"}


@pytest.mark.parametrize("first", [none(), Intervention(Coin(0.5), RandomAction(9))])
def test_one_that_never_acts_changes_no_decision(first):
    played = script(40, proposed=list(range(40)))
    alone, *_ = play(first, played)
    quiet = shield(lambda context: context.step < 0, constant(7))
    both, *_ = play(overruled(first, by=quiet), played)
    assert np.array_equal(alone.action, both.action)
    assert np.array_equal(alone.intervened, both.intervened)


def test_both_remember_what_happened():
    latched = Intervention(AfterFirstCost(), constant(5))
    played = script(STEPS, proposed=[1] * STEPS, cost=[0, 1, 0, 0, 0, 0, 0, 0],
                    terminated=at(STEPS, 4))  # fmt: skip
    decision, *_ = play(overruled(none(), by=latched), played)
    assert decision.intervened.tolist() == at(STEPS, 2, 3, 4)
