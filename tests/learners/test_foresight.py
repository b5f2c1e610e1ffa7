"""Which states harm follows, against a naive twin; what drives while that is learnt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.types import Transition
from handrail.learners.base import Clock
from handrail.learners.representation.foresight import Foresight
from handrail.learners.wanderer import Wanderer

STEPS = 30


def transition(number, cost, ended):
    zero, no = jnp.zeros(()), jnp.array(False)
    return Transition(number, zero, zero, zero, cost, number, ended, no, no, zero, {})


@jax.jit
def one_ahead(costs, ended):
    return judged(1, costs, ended)


@jax.jit
def four_ahead(costs, ended):
    return judged(4, costs, ended)


def judged(steps, costs, ended):
    foresight = Foresight(steps)
    return jax.lax.scan(
        lambda waiting, now: foresight(waiting, transition(*now)),
        foresight.init(jnp.int32(0)), (jnp.arange(STEPS), costs, ended),
    )[1]  # fmt: skip


@pytest.mark.parametrize(("steps", "judge"), [(1, one_ahead), (4, four_ahead)])
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_it_is_the_naive_twin(steps, judge, data):
    costs = data.draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0]), min_size=STEPS, max_size=STEPS)
    )
    ended = data.draw(st.lists(st.integers(0, 6), min_size=STEPS, max_size=STEPS))
    ended = [number == 0 for number in ended]
    found = judge(jnp.array(costs), jnp.array(ended))
    there = np.asarray(found.there)
    rows = dict(zip(np.asarray(found.observation)[there].tolist(),
                    np.asarray(found.unsafe)[there].tolist(), strict=True))  # fmt: skip
    expected = {}
    for step in range(STEPS):
        window = range(step, step + steps)
        if window[-1] < STEPS and not any(ended[one] for one in window[:-1]):
            expected[step] = any(costs[one] > 0 for one in window)
    assert rows == expected


def test_a_cost_that_is_no_number_is_harm():
    found = one_ahead(jnp.full(STEPS, jnp.nan), jnp.zeros(STEPS, bool))
    assert np.asarray(found.unsafe).all()


def test_random_actions_are_held():
    wanderer = Wanderer(actions=2, key=jax.random.key(1), repeat=5)
    acts = np.array([
        wanderer.propose((), None, Clock.at(jnp.int32(step), 20), key=jax.random.key(step)).action
        for step in range(20)
    ])  # fmt: skip
    assert (acts.reshape(4, 5, 2) == acts[::5, None]).all()
    assert len(np.unique(acts, axis=0)) == 4 and np.abs(acts).max() <= 1
