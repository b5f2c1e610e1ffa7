"""Exact solutions against recorded shortest paths and a naive twin."""

import dataclasses
from collections import deque

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs import registry
from handrail.envs.lava import pool
from tests.envs.lava import dynamic_programming as dp
from tests.envs.lava.real import put, real_environment, recorded, without_partial_view
from tests.envs.lava.test_lava_recorded import cases


def naive_distances(grid):
    """Steps to a goal from every pose, by a search backwards through the picture of a grid."""
    ahead = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    width, height = grid.shape
    steps, queue = {}, deque()
    for x in range(width):
        for y in range(height):
            if grid[x, y] == 3:
                for d, (dx, dy) in enumerate(ahead):
                    if grid[x - dx, y - dy] == 0:
                        steps[x - dx, y - dy, d] = 1
                        queue.append((x - dx, y - dy, d))
    while queue:
        x, y, d = queue.popleft()
        dx, dy = ahead[d]
        for before in ((x, y, (d + 1) % 4), (x, y, (d - 1) % 4), (x - dx, y - dy, d)):
            if grid[before[:2]] == 0 and before not in steps:
                steps[before] = steps[x, y, d] + 1
                queue.append(before)
    return steps


@pytest.mark.parametrize("name", ["LavaCrossingS9N3", "LavaGapS7", "DistShift1", "FourRooms"])
def test_distances_and_values_equal_a_naive_twin(name):
    env = registry.make(name, layout=pool(2))
    steps = dp.distances(env)
    q = dp.optimal_q(env, 0.97)
    twins = [naive_distances(grid) for grid in env.grids]
    for row in range(env.observations.live):
        pose = tuple(env.world.pose_of_row[row].tolist())
        assert steps[row] == twins[env.layout_of_row[row]].get(pose, dp.UNREACHABLE)
    assert (steps[env.observations.live :] == dp.UNREACHABLE).all()
    best = np.where(steps > 0, 0.97 ** (steps - 1.0), 0.0)
    np.testing.assert_allclose(q.max(axis=1), best, rtol=1e-12)
    # one step further than the best of what follows; lava is worth nothing
    follows = np.asarray(env.successor)
    expected = np.where(env.enters_goal, 1.0, 0.97 * best[follows])
    expected[np.asarray(env.unsafe_table)] = 0
    expected[env.observations.live :] = 0
    np.testing.assert_allclose(q, expected, rtol=1e-12)


def test_wrong_dynamics_give_other_values():
    """If turning left did nothing, paths would be longer: the twin would notice."""
    env = registry.make("LavaCrossingS9N3", layout=789)
    rows = jnp.arange(len(env.successor))
    stiff = eqx.tree_at(lambda e: e.successor, env, env.successor.at[:, 0].set(rows))
    assert (dp.distances(stiff) >= dp.distances(env)).all()
    assert (dp.distances(stiff) > dp.distances(env)).any()
    assert (dp.optimal_q(stiff, 0.97) < dp.optimal_q(env, 0.97)).any()


def test_following_a_policy_counts_its_cost():
    env = registry.make("LavaCrossingS9N1", starts="anywhere")
    straight_on = dp.follow(env, np.full(len(env.successor), 2))
    doomed = np.asarray(env.lava_ahead)[np.concatenate(dp.starts(env))]
    assert straight_on.cost[doomed].min() == 1
    assert straight_on.steps[doomed].max() == 1
    assert set(straight_on.cost) == {0, 1}


@pytest.mark.parametrize("which", ["own", "oracle"])
def test_recorded_shortest_paths(which):
    for name, seed, data in cases(recorded(which)):
        env = registry.make(name, layout=seed)
        row = int(env.start_rows[0, 0])
        theirs = data["shortest_path"]
        path = dp.shortest_path(env, row)
        assert len(path) == len(theirs) == dp.distances(env)[row]
        np.testing.assert_allclose(dp.optimal_returns(env), theirs[-1, 1], rtol=1e-12)
        real = without_partial_view(real_environment(name, seed))
        put(real, env.world.pose_of_row[row])
        outcomes = [real.step(action)[1:3] for action in path]
        assert outcomes[-1] == (pytest.approx(theirs[-1, 1]), True)
        assert not any(terminated for _, terminated in outcomes[:-1])


@pytest.mark.parametrize("discount", [0.9, 0.99])
def test_the_greedy_policy_of_the_values_attains_the_optimal_return(discount):
    env = registry.make("LavaCrossingS9N2", layout=pool(5), starts="anywhere")
    solution = dp.follow(env, dp.optimal_q(env, discount).argmax(axis=1))
    assert solution.cost.sum() == 0
    mean = [solution.episode_return[solution.layout == i].mean() for i in range(5)]
    np.testing.assert_allclose(mean, dp.optimal_returns(env), rtol=1e-6)
    np.testing.assert_array_equal(solution.steps, dp.distances(env)[np.concatenate(dp.starts(env))])


def test_following_a_policy_equals_compiled_steps():
    env = registry.make("LavaGapS6", layout=pool(3), starts="anywhere")
    policy = np.random.default_rng(0).integers(0, 3, len(env.layout_of_row))
    solution = dp.follow(env, policy)
    table = jnp.asarray(policy)

    def play(row):
        def step(carry, _):
            state, alive = carry
            state, out = env.step(state, table[state.row], key=jax.random.key(0))
            seen = (alive * out.reward, alive * out.cost, alive * 1)
            return (state, alive & ~(out.terminated | out.truncated)), seen

        state, _ = env.reset(key=jax.random.key(0))
        begin = (type(state)(row, state.steps), jnp.bool_(True))
        return jax.tree.map(jnp.sum, jax.lax.scan(step, begin, None, env.episode_length)[1])

    played = jax.jit(jax.vmap(play))(jnp.concatenate([jnp.asarray(r) for r in dp.starts(env)]))
    np.testing.assert_allclose(solution.episode_return, played[0], rtol=1e-6)
    np.testing.assert_array_equal(solution.cost, played[1])
    np.testing.assert_array_equal(solution.steps, played[2])


def test_a_goal_beyond_the_time_limit_pays_nothing():
    env = registry.make("Empty-5x5")
    assert dp.optimal_returns(env)[0] == pytest.approx(1 - 0.9 * 5 / 100)
    hurried = dataclasses.replace(env, episode_length=4)
    assert dp.optimal_returns(hurried)[0] == 0


def test_safe_actions_and_refusals():
    env = registry.make("LavaCrossingS9N1")
    np.testing.assert_array_equal(~dp.safe_actions(env), env.unsafe_table)
    assert dp.safe_actions(env)[:, [0, 1, 3, 4, 5, 6]].all()
    with pytest.raises(HandrailError, match=r"discount is 1\.5"):
        dp.optimal_q(env, 1.5)
    with pytest.raises(HandrailError, match="no goal can be reached"):
        dp.shortest_path(env, env.observations.live)
