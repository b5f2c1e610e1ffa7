"""A replay that keeps observations once draws what one of whole transitions draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.replay.frames import FrameRing
from handrail.replay.prioritized import Prioritized
from handrail.replay.ring import Ring

CAPACITY = 8


def transition(begin, end, number, *, ends=False) -> Transition:
    """From one image to another, told apart by their numbers."""
    seen = [{"image": jnp.full((2, 2, 1), n, jnp.uint8), "speed": jnp.float32(n)}
            for n in (begin, end)]  # fmt: skip
    no = jnp.array(False)
    return Transition(
        seen[0], jnp.int32(0), jnp.int32(number), jnp.float32(number), jnp.float32(0), seen[1],
        jnp.array(ends), no, no, jnp.ones(()), {},
    )  # fmt: skip


EXAMPLE = transition(0, 0, 0)


def steps_of(lengths: list[int], width: int) -> list[Transition]:
    """Steps of environments by turns, each of whose episodes have these lengths."""
    frames, made = iter(range(1, 250)), []
    here = [next(frames) for _ in range(width)]
    left = [list(lengths) for _ in range(width)]
    number = 0
    while all(left):
        for copy in range(width):
            reached = next(frames)
            left[copy][0] -= 1
            ends = left[copy][0] == 0
            made.append(transition(here[copy], reached, number, ends=ends))
            here[copy] = reached
            number += 1
            if ends:
                here[copy] = next(frames)
                left[copy].pop(0)
    return made


@functools.cache
def adding(replay):
    return jax.jit(replay.add)


def filled(replay, items):
    add = adding(replay)
    state = replay.init(EXAMPLE)
    for item in items:
        state = add(state, item)
    return state


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(9, 12), min_size=1, max_size=4), st.sampled_from([1, 2]))
def test_draws_what_a_ring_of_whole_transitions_draws(lengths, width):
    items = steps_of(lengths, width)
    frames, ring = FrameRing(CAPACITY, width), Ring(CAPACITY)
    states = filled(frames, items), filled(ring, items)
    assert int(frames.size(states[0])) == int(ring.size(states[1])) == min(len(items), CAPACITY)
    key = jax.random.key(len(items))
    same(frames.sample(states[0], 32, key=key), ring.sample(states[1], 32, key=key))


def test_prioritized_draws_and_weighs_as_over_a_ring():
    items = steps_of([12, 9], 1)
    key = jax.random.key(3)
    found = []
    for frames in (None, FrameRing(CAPACITY)):
        replay = Prioritized(CAPACITY, frames=frames)
        state = filled(replay, items)
        state = replay.feedback(state, jnp.array([1, 4]), jnp.array([9.0, 0.1]))
        found.append(replay.sample(state, 32, beta=0.7, key=key))
    same(*found)
    with pytest.raises(HandrailError, match=r"capacity 8, its frames 9"):
        Prioritized(8, frames=FrameRing(9))


@pytest.mark.parametrize(
    "replay", [FrameRing(CAPACITY), Prioritized(CAPACITY, frames=FrameRing(8))]
)
def test_of_very_short_episodes_fewer_are_remembered_and_none_is_wrong(replay):
    items = steps_of([1] * 30, 1)
    state = filled(replay, items)
    size = int(replay.size(state))
    assert CAPACITY // 2 <= size < CAPACITY
    drawn = replay.sample(state, 200, key=jax.random.key(0)).items
    assert set(drawn.reward.tolist()) == set(range(30 - size, 30))  # the last ones, all of them
    np.testing.assert_array_equal(drawn.observation["speed"], 2 * drawn.reward + 1)
    np.testing.assert_array_equal(drawn.next_observation["image"][:, 0, 0, 0], 2 * drawn.reward + 2)


def test_a_step_that_does_not_begin_where_the_last_ended_has_an_image_of_its_own():
    state = filled(
        FrameRing(CAPACITY), [transition(1, 2, 0), transition(2, 3, 1), transition(7, 8, 2)]
    )
    assert int(state.written) == 5
    drawn = FrameRing(CAPACITY).read(state, jnp.array([0, 1, 2]))
    np.testing.assert_array_equal(drawn.observation["speed"], [1, 2, 7])
    np.testing.assert_array_equal(drawn.next_observation["speed"], [2, 3, 8])


def test_what_is_not_to_be_stored_changes_nothing():
    replay, items = FrameRing(CAPACITY), steps_of([9], 1)
    state = filled(replay, items)
    after = replay.add(state, transition(1, 2, 0), where=jnp.array(False))
    key = jax.random.key(0)
    same(replay.sample(state, 16, key=key), replay.sample(after, 16, key=key))
    assert int(after.written) == int(state.written)


def test_images_are_kept_as_bytes_and_about_once():
    replay = FrameRing(800)
    image = jax.eval_shape(replay.init, EXAMPLE).frames["image"]
    assert image.dtype == jnp.uint8 and image.shape[0] < 1.2 * 800


def test_an_empty_memory_gives_zeros_of_no_weight():
    sample = FrameRing(CAPACITY).sample(FrameRing(CAPACITY).init(EXAMPLE), 4, key=jax.random.key(0))
    assert np.all(sample.weights == 0) and np.all(sample.items.reward == 0)
