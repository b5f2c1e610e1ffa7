"""Named key streams: equal names and counters, equal keys; anything else, independent ones."""

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.rng import stream

NAMES = st.text(min_size=1, max_size=12)
COUNTERS = st.lists(st.integers(0, 2**31 - 1), max_size=3)


def bits(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


@given(NAMES, COUNTERS)
def test_a_stream_depends_on_nothing_but_key_name_and_counters(name, counters):
    key = jax.random.key(3)
    before = bits(stream(key, name, *counters))
    stream(key, "another", 1)
    assert bits(stream(key, name, *counters)) == before


@given(st.lists(st.tuples(NAMES, st.integers(0, 1000)), min_size=2, max_size=20, unique=True))
def test_streams_differ(places):
    keys = [bits(stream(jax.random.key(0), name, counter)) for name, counter in places]
    assert len(set(keys)) == len(keys)


def test_the_run_key_and_the_order_of_counters_matter():
    first, second = jax.random.key(0), jax.random.key(1)
    assert bits(stream(first, "a", 1)) != bits(stream(second, "a", 1))
    assert bits(stream(first, "a", 1, 2)) != bits(stream(first, "a", 2, 1))
    assert bits(stream(first, "a")) != bits(stream(first, "a", 0))


def test_traced_counters_give_the_same_key():
    key = jax.random.key(5)
    traced = jax.jit(lambda step: stream(key, "propose", step))(17)
    assert bits(traced) == bits(stream(key, "propose", 17))


def test_streams_are_pinned():
    """A run can be resumed by a later version only while its streams stay where they are."""
    assert bits(stream(jax.random.key(0), "propose", 7)) == PINNED


PINNED = (3031386934, 3131746614)
