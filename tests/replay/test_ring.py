"""Uniform replay and the memory of unsafe states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.replay.ring import Ring

CAPACITY = 5
RING = Ring(CAPACITY)
EXAMPLE = {"row": jnp.zeros((), jnp.int32), "pair": (jnp.zeros(2), jnp.zeros((), bool))}
add_each = jax.jit(lambda state, items, where: RING.add_each(state, items, where=where))
add = jax.jit(lambda state, item, where: RING.add(state, item, where=where))


def item(i):
    return {"row": jnp.int32(i), "pair": (jnp.full(2, i, jnp.float32), jnp.asarray(i % 2 == 0))}


@settings(max_examples=30)
@given(st.lists(st.booleans(), max_size=14))
def test_keeps_the_last_items_as_a_list_would(stored):
    state, twin = RING.init(EXAMPLE), []
    for i, where in enumerate(stored):
        state = add(state, item(i + 1), jnp.asarray(where))
        twin += [i + 1] if where else []
    assert int(RING.size(state)) == min(len(twin), CAPACITY)
    expected = [0] * CAPACITY
    for position, value in enumerate(twin):
        expected[position % CAPACITY] = value
    np.testing.assert_array_equal(state.items["row"], expected)
    np.testing.assert_array_equal(state.items["pair"][0][:, 1], expected)


def test_draws_every_filled_slot_evenly_and_no_other():
    state = RING.init(EXAMPLE)
    for i in range(3):
        state = add(state, item(i + 1), jnp.asarray(True))
    sample = RING.sample(state, 3000, key=jax.random.key(0))
    counts = np.bincount(sample.indices, minlength=CAPACITY)
    assert np.all(counts[3:] == 0)
    assert np.all(np.abs(counts[:3] - 1000) < 5 * np.sqrt(3000 * 2 / 9))
    np.testing.assert_array_equal(sample.items["row"], sample.indices + 1)
    assert np.all(sample.weights == 1)
    after = RING.feedback(state, sample.indices, sample.weights)
    assert after is state


def test_an_empty_memory_gives_zeros_of_no_weight():
    sample = RING.sample(RING.init(EXAMPLE), 4, key=jax.random.key(0))
    assert np.all(sample.weights == 0)
    assert np.all(sample.items["row"] == 0)


def test_the_same_key_gives_the_same_sample():
    state = add(RING.init(EXAMPLE), item(7), jnp.asarray(True))
    first, second = (RING.sample(state, 4, key=jax.random.key(3)) for _ in range(2))
    np.testing.assert_array_equal(first.indices, second.indices)


@pytest.mark.parametrize("capacity", [0, -1, 2.5])
def test_an_impossible_capacity_is_refused(capacity):
    with pytest.raises((HandrailError, TypeError)):
        Ring(capacity)


@pytest.mark.parametrize(
    "wrong", [{"row": jnp.zeros(2, jnp.int32), "pair": EXAMPLE["pair"]}, {"row": jnp.int32(0)}]
)
def test_an_item_of_another_shape_is_refused(wrong):
    with pytest.raises(HandrailError, match="replay was made for"):
        RING.add(RING.init(EXAMPLE), wrong)


@settings(max_examples=30)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=5))
def test_several_at_once_are_what_one_after_another_is(rounds):
    together = apart = RING.init(EXAMPLE)
    for number, where in enumerate(rounds):
        items = [item(3 * number + place + 1) for place in range(3)]
        together = add_each(
            together, jax.tree.map(lambda *leaves: jnp.stack(leaves), *items), jnp.array(where)
        )
        for one, wanted in zip(items, where, strict=True):
            apart = add(apart, one, jnp.asarray(wanted))
    jax.tree.map(np.testing.assert_array_equal, together, apart)
