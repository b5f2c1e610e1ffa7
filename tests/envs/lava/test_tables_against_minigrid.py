"""Every cell, direction and action of a table against the real environment."""

import numpy as np
import pytest

from handrail.envs import registry
from handrail.envs.lava.rendering import render
from handrail.envs.lava.source import LAVA, NAMES
from tests.envs.lava.real import pose, put, real_environment, without_partial_view

CASES = [(name, 1) for name in NAMES if "16x16" not in name and name != "FourRooms"]
CASES += [("LavaCrossingS9N1", 123), ("LavaCrossingS9N2", 456), ("LavaCrossingS9N3", 789)]
CASES += [("LavaGapS7", 3), ("Empty-Random-6x6", 4), ("SimpleCrossingS9N3", 9), ("FourRooms", 2)]


def disagreements(env, real, rows):
    """Counts entries of the tables that differ from a step of the real environment."""
    row_of = {tuple(p): row for row, p in enumerate(env.world.pose_of_row.tolist())}
    successor, goal = np.asarray(env.successor), np.asarray(env.enters_goal)
    cost, rewards = np.asarray(env.unsafe_table), np.asarray(env.reward_after)
    limit, wrong = env.episode_length, 0
    rng = np.random.default_rng(0)
    for row in rows:
        for action in range(7):
            steps = int(rng.choice([0, limit // 3, limit - 2, limit - 1]))
            put(real, env.world.pose_of_row[row], steps)
            _, reward, terminated, truncated, _ = real.step(action)
            after = steps + 1
            burnt = terminated and real.grid.get(*pose(real)[:2]).type == "lava"
            expected = (
                row_of[pose(real)],
                np.float32(reward),
                burnt,
                terminated,
                truncated,
            )
            entry = (
                successor[row, action],
                rewards[after] if goal[row, action] else np.float32(0),
                cost[row, action],
                goal[row, action] or cost[row, action],
                after >= limit,
            )
            wrong += expected != entry
    return wrong


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_every_pose_and_action(name, seed):
    env, real = registry.make(name, layout=seed), real_environment(name, seed)
    without_partial_view(real)
    assert pose(real) == tuple(env.world.pose_of_row[env.start_rows[0, 0]])
    assert env.episode_length == real.max_steps
    assert env.actions.n == real.action_space.n
    np.testing.assert_array_equal(env.world.encodings[0], real.grid.encode())
    free = sum(cell is None for cell in real.grid.grid)
    assert env.observations.live == 4 * free
    assert disagreements(env, real, range(env.observations.live)) == 0


def test_the_comparison_notices_a_wrong_entry():
    name, seed = "LavaCrossingS9N2", 456
    env, real = registry.make(name, layout=seed), real_environment(name, seed)
    without_partial_view(real)
    import equinox as eqx

    danger = int(np.argmax(env.lava_ahead))
    broken = eqx.tree_at(lambda e: e.unsafe_table, env, env.unsafe_table.at[danger, 2].set(False))
    assert disagreements(broken, real, [danger]) == 1


@pytest.mark.parametrize(("name", "seed"), [*CASES[:12], ("LavaCrossingS9N3", 789)])
def test_rendered_frames_equal_minigrids_own(name, seed):
    env, real = registry.make(name, layout=seed), real_environment(name, seed)
    rows = np.random.default_rng(seed).permutation(len(env.layout_of_row))[:60]
    poses = env.world.pose_of_row[rows]
    ours = render(env.world.encodings[0], env.grids[0], poses)
    for frame, where in zip(ours, poses, strict=True):
        put(real, where)
        np.testing.assert_array_equal(frame, real.get_frame(highlight=True, tile_size=8))


def test_rendering_a_large_grid_with_transparent_walls():
    env, real = registry.make("FourRooms", layout=5), real_environment("FourRooms", 5)
    real.see_through_walls = True
    poses = env.world.pose_of_row[::97]
    ours = render(env.world.encodings[0], env.grids[0], poses, see_through_walls=True)
    for frame, where in zip(ours, poses, strict=True):
        put(real, where)
        np.testing.assert_array_equal(frame, real.get_frame(highlight=True, tile_size=8))


def test_rows_after_the_live_ones_stand_on_lava_or_a_goal_and_stay():
    env = registry.make("LavaCrossingS9N3", layout=123)
    live = env.observations.live
    x, y = env.cell_of_row[live:].T
    assert (env.grids[0][x, y] >= LAVA).all()
    ended = np.arange(live, len(env.layout_of_row))
    np.testing.assert_array_equal(env.successor[live:], np.repeat(ended[:, None], 7, axis=1))
    assert not np.asarray(env.unsafe_table)[live:].any()
    assert not np.asarray(env.enters_goal)[live:].any()
