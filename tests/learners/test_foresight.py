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
    unsafe = np.asarray(found.observations)[np.asarray(found.unsafe)].tolist()
    safe = np.asarray(found.observations)[np.asarray(found.safe), 0].tolist()
    ends = [step for step in range(STEPS) if ended[step]] + [STEPS]
    harm, none = [], []
    for step in range(STEPS):
        last = next(end for end in ends if end >= step)  # of its episode
        window = range(step, min(step + steps, last + 1, STEPS))
        known = step + steps <= min(last + 1, STEPS)
        if any(costs[one] > 0 for one in window) and (known or last < STEPS):
            harm.append(step)
        elif known:
            none.append(step)
    assert sorted(unsafe) == harm and sorted(safe) == none


def test_a_crash_that_ends_an_episode_makes_unsafe_what_led_to_it():
    ended = jnp.arange(STEPS) == 7
    found = four_ahead((jnp.arange(STEPS) == 7) * 1.0, ended)
    assert np.asarray(found.observations)[np.asarray(found.unsafe)].tolist() == [4, 5, 6, 7]


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
