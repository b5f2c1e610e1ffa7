"""Symbolic and egocentric observations, and recoloured pixels."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handrail.envs import registry
from handrail.envs.lava import pool, views
from tests.envs.lava.real import put, real_environment


@st.composite
def worlds(draw):
    """A grid of random cells and a pose in it."""
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    kinds = draw(arrays(np.uint8, (width, height), elements=st.integers(0, 3)))
    pose = [draw(st.integers(0, n - 1)) for n in (width, height, 4)]
    return kinds, np.array([pose])


def naive_egocentric(kinds, pose):
    """Walks from the agent, cell by cell."""
    width, height = kinds.shape
    side = views.egocentric_side(width, height)
    x, y, direction = pose
    forward = [(1, 0), (0, 1), (-1, 0), (0, -1)][direction]
    right = [(0, 1), (-1, 0), (0, -1), (1, 0)][direction]
    window = np.zeros((side, side, 3), np.uint8)
    for i in range(side):
        for j in range(side):
            f, r = side // 2 - i, j - side // 2
            u, v = x + f * forward[0] + r * right[0], y + f * forward[1] + r * right[1]
            kind = kinds[u, v] if 0 <= u < width and 0 <= v < height else 1
            if kind:
                window[i, j, kind - 1] = 1
    return window.ravel()


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_egocentric_equals_a_walk_through_the_grid(world):
    kinds, pose = world
    frames = views.symbolic(kinds, pose)
    window = views.egocentric(frames, *kinds.shape)
    np.testing.assert_array_equal(window[0], naive_egocentric(kinds, pose[0]))


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_egocentric_does_not_change_when_the_world_is_turned(world):
    kinds, pose = world
    width, height = kinds.shape
    x, y, direction = pose[0]
    turned = np.ascontiguousarray(np.rot90(kinds))  # [x, y] -> [height - 1 - y, x]
    turned_pose = np.array([[height - 1 - y, x, (direction + 1) % 4]])
    before = views.egocentric(views.symbolic(kinds, pose), width, height)
    after = views.egocentric(views.symbolic(turned, turned_pose), height, width)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", ["LavaCrossingS9N2", "DistShift1", "LavaGapS6"])
def test_the_cell_in_front_tells_the_truth(name):
    env = registry.make(name, layout=pool(5))
    side = views.egocentric_side(env.world.width, env.world.height)
    windows = env.frames("egocentric").reshape(-1, side, side, 3)[: env.observations.live]
    front = windows[:, side // 2 - 1, side // 2]
    live = np.arange(env.observations.live)
    np.testing.assert_array_equal(front[:, 1], np.asarray(env.lava_ahead)[live])
    np.testing.assert_array_equal(front[:, 2], np.asarray(env.enters_goal)[live, 2])
    np.testing.assert_array_equal(front[:, 0], np.asarray(env.successor)[live, 2] == live)
    behind = windows[:, side // 2 + 1, side // 2]
    assert (behind[:, 1] != np.asarray(env.lava_ahead)[live]).any()  # not just any neighbour


def test_symbolic_frames_of_live_rows_are_distinct_and_one_agent_strong():
    env = registry.make("LavaCrossingS9N3", layout=pool(6))
    frames = env.observations.frames
    assert frames.shape[1] == 567
    assert len(np.unique(frames, axis=0)) == len(frames)
    cells = frames.reshape(len(frames), 9, 9, 7)
    assert (cells[..., 3:].sum((1, 2, 3)) == 1).all()
    x, y = env.cell_of_row.T
    assert (cells[np.arange(len(frames)), y, x, 3 + env.direction_of_row] == 1).all()
    by_layout = env.grids[env.layout_of_row]
    for channel in range(3):
        np.testing.assert_array_equal(
            cells[..., channel], (by_layout == channel + 1).transpose(0, 2, 1)
        )


def test_egocentric_on_jax_arrays_and_as_an_observation():
    env = registry.make("DistShift2", observation="egocentric")
    inside_jit = jax.jit(lambda f: views.egocentric(f, 9, 7))(jax.numpy.asarray(env.frames()))
    np.testing.assert_array_equal(inside_jit, env.observations.frames)
    assert env.observations.frames.dtype == np.uint8


def test_recoloured_lava_changes_lava_only_and_nothing_in_minigrid():
    env = registry.make("LavaCrossingS9N1", observation="pixels")
    real = real_environment("LavaCrossingS9N1", 123)
    put(real, (1, 1, 0))
    before = real.get_frame(tile_size=8)
    blue = env.frames("pixels", lava_color="blue")
    np.testing.assert_array_equal(real.get_frame(tile_size=8), before)
    np.testing.assert_array_equal(env.frames("pixels"), env.observations.frames)
    changed = (blue != env.observations.frames).any(axis=-1)
    river = np.flatnonzero((env.grids[0] == 2).any(axis=0))  # one horizontal river
    assert len(river) == 1
    tile = 84 / 9
    assert changed[:, : int(river[0] * tile) - 1].sum() == 0
    assert changed[:, int((river[0] + 1) * tile) + 2 :].sum() == 0
    assert changed.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(
        env.frames("pixels", lava_color=(255, 128, 0)), env.frames("pixels")
    )
