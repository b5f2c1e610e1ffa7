"""Compiled physics against recorded steps, against MuJoCo, and over whole episodes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.navigation import compiled, planar
from handrail.envs.navigation.compiled import (
    CompiledNavigation,
    NavigationState,
    RescueStarts,
)
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.planar import Body
from handrail.envs.navigation.tasks import TASKS
from tests.envs.navigation.recordings import (
    POINT,
    RECORDED,
    away_from_vases,
    expected_reward,
    recording,
    split,
    subset,
)

pytestmark = pytest.mark.optimized  # what is allowed was measured so

STATIC = TASKS["navigation-static"]
DYNAMIC = TASKS["navigation-dynamic-without-vases"]


@jax.vmap
def state_of(position, heading, velocity, turn_rate, hazards, goal):
    body = Body(position, heading, velocity, turn_rate)
    return NavigationState(body, hazards, goal, jnp.array(0))


def states(*columns, dtype):
    return state_of(*(jnp.asarray(np.array(column), dtype) for column in columns))


def recorded_errors(name, rows, dtype):
    """Errors of each quantity, one for each recorded step that no vase disturbs."""
    task = RECORDED[name].without_vases
    env, count = CompiledNavigation(task), len(rows["A_action"])
    goal = rows["before_goal_xy"] if task.has_goal else np.zeros((count, 2))
    state = states(
        rows["before_robot_xyz"][:, :2],
        rows["before_heading"],
        rows["before_robot_linvel"][:, :2],
        rows["before_robot_angvel"][:, 2],
        rows["layout_hazards_xy"],
        goal,
        dtype=dtype,
    )
    keys = jax.random.split(jax.random.key(0), count)
    step = jax.jit(jax.vmap(lambda state, action, key: env.step(state, action, key=key)))
    after, timestep = step(state, jnp.asarray(rows["A_action"], dtype), keys)
    met = rows["A_goal_met"]
    ended = met & rows["A_done"] if task.has_goal else rows["A_left_extents"]
    expected = {
        "position": (after.body.position, rows["after_robot_xyz"][:, :2]),
        "velocity": (after.body.velocity, rows["after_robot_linvel"][:, :2]),
        "reward": (timestep.reward, expected_reward(rows, task)),
        "cost": (timestep.cost, rows["A_cost"]),
        "ended": (timestep.terminated, ended),
    }
    observed = split(rows, rows["after_obs"])
    expected |= {part: (timestep.observation[part], observed[part]) for part in task.parts}
    errors = {}
    for quantity, (got, want) in expected.items():
        error = np.abs(np.asarray(got, float) - want).reshape(count, -1).max(axis=1)
        if quantity == "goal_lidar":
            error = np.where(met, 0.0, error)  # a new goal is drawn from other randomness
        errors[quantity] = error[away_from_vases(rows)]
    return errors


# Largest error, and the error that 99 in 100 steps keep to. In float64 what is left is the last
# digit times what the turning motor makes of it: ×4 a substep, ten times.
DOUBLE = {"accelerometer": (2e-8, 1e-9), "gyro": (1e-9, 2e-11), "velocimeter": (2e-11, 1e-12),
          "velocity": (2e-11, 1e-12)}  # fmt: skip
SINGLE = {
    "accelerometer": (1.0, 2e-2),
    "gyro": (2e-2, 1e-3),
    "velocimeter": (3e-4, 3e-5),
    "velocity": (3e-4, 3e-5),
    "position": (5e-6, 2e-6),
    "hazards_lidar": (2e-4, 1e-5),  # beside a hazard its direction turns with every rounding
}


def check_double(name, rows):
    with jax.enable_x64(True):
        errors = recorded_errors(name, rows, np.float64)
    for quantity, error in errors.items():
        largest, most = DOUBLE.get(quantity, (2e-12, 2e-13))
        assert error.max() <= largest and np.quantile(error, 0.99) <= most, quantity


@pytest.mark.parametrize("name", POINT)
def test_one_step(name):
    check_double(name, subset(name))


@pytest.mark.parametrize("name", POINT)
def test_all_recorded_steps(name):
    check_double(name, recording(name))


@pytest.mark.parametrize("name", POINT)
def test_one_step_in_single_precision(name):
    errors = recorded_errors(name, subset(name), np.float32)
    for quantity, error in errors.items():
        largest, most = SINGLE.get(quantity, (3e-5, 5e-6))
        assert error.max() <= largest and np.quantile(error, 0.99) <= most, quantity
    assert errors["cost"].max() == errors["ended"].max() == 0.0


def change(monkeypatch, name, factor):
    """Gives the compiled robot another constant."""
    other = dataclasses.replace(planar.NOMINAL, **{name: factor * getattr(planar.NOMINAL, name)})
    monkeypatch.setattr(compiled, "NOMINAL", other)


@pytest.mark.parametrize("name", ["mass", "lever", "inertia", "drag", "turn_drag", "strength"])
def test_another_robot_is_noticed(monkeypatch, name):
    change(monkeypatch, name, 1.001)
    with jax.enable_x64(True):
        errors = recorded_errors("StudentEnv-v0", subset("StudentEnv-v0"), np.float64)
    assert errors["gyro"].max() > 1e-5 or errors["velocity"].max() > 1e-5


def test_damping_treated_explicitly_is_noticed(monkeypatch):
    accelerations = planar._accelerations
    monkeypatch.setattr(
        planar,
        "_accelerations",
        lambda *args: accelerations(*args[:5], planar.MASS, planar.INERTIA),
    )
    with jax.enable_x64(True):
        errors = recorded_errors("StudentEnv-v0", subset("StudentEnv-v0"), np.float64)
    assert errors["velocity"].max() > 1e-4


def test_a_cost_read_one_step_early_would_be_noticed():
    rows = recording("StudentEnv-v0")
    before = np.linalg.norm(rows["before_robot_xyz"][:, :2], axis=1) < 0.7
    assert (before != (rows["A_cost"] > 0)).any()


# --- whole episodes ------------------------------------------------------------------------

EPISODES, STEPS = 48, 250
ANGLES = (np.arange(16) + 0.5) * (2 * np.pi / 16)


def at_random(parts, noise, xp):
    return 2 * noise - 1


def to_the_goal(parts, noise, xp):
    """Drives ahead where the goal lies ahead, and turns towards it."""
    reading = parts["goal_lidar"]
    ahead, left = xp.sum(reading * np.cos(ANGLES)), xp.sum(reading * np.sin(ANGLES))
    turn = xp.arctan2(left, ahead)
    return xp.stack([xp.where(xp.abs(turn) < 0.7, 1.0, 0.0), 0.9 * xp.clip(turn, -1, 1)])


def summary(start, positions, velocimeter, gyro, reward, cost):
    """One number an episode for each quantity; arrays are (steps, ...) of one episode."""
    return {
        "speed": np.linalg.norm(velocimeter[:, :2], axis=1).mean(),
        "turn rate": np.abs(gyro[:, 2]).mean(),
        "displacement": np.linalg.norm(positions[-1] - start),
        "path": np.linalg.norm(np.diff(positions, axis=0), axis=1).sum(),
        "cost": cost.sum(),
        "reward": reward.sum(),
    }


@functools.cache
def mujoco_episodes(task, controller):
    """Episodes of MuJoCo, and the compiled states in which they began."""
    env, rng = MujocoNavigation(task), np.random.default_rng(0)
    starts, results = [], []
    for episode in range(EPISODES):
        parts, _ = env.reset(seed=1000 * episode)
        scene = env.scene()
        goal = np.zeros(2) if scene.goal is None else scene.goal
        starts.append((scene.robot, scene.heading, scene.hazards, goal))
        steps = []
        for _ in range(STEPS):
            parts, reward, _, _, info = env.step(controller(parts, rng.uniform(size=2), np))
            row = (env.scene().robot, parts["velocimeter"], parts["gyro"], reward, info["cost"])
            steps.append(row)
        results.append(summary(scene.robot, *map(np.array, zip(*steps, strict=True))))
    return starts, results


def compiled_episodes(task, controller, starts):
    env = CompiledNavigation(task)

    def episode(state, key):
        def step(carry, key):
            state, parts = carry
            noise = jax.random.uniform(key, (2,))
            state, timestep = env.step(state, controller(parts, noise, jnp), key=key)
            parts = timestep.observation
            row = (state.body.position, parts["velocimeter"], parts["gyro"])
            return (state, parts), (*row, timestep.reward, timestep.cost)

        first = env.observe(state, jnp.zeros(2))
        return jax.lax.scan(step, (state, first), jax.random.split(key, STEPS))[1]

    robot, heading, hazards, goal = zip(*starts, strict=True)
    still, steady = np.zeros((EPISODES, 2)), np.zeros(EPISODES)
    state = states(robot, heading, still, steady, hazards, goal, dtype=np.float32)
    rows = jax.jit(jax.vmap(episode))(state, jax.random.split(jax.random.key(7), EPISODES))
    rows = [np.asarray(row) for row in rows]
    return [summary(starts[i][0], *(row[i] for row in rows)) for i in range(EPISODES)]


def differences(task, controller, recorded=None):
    """Mean difference of each quantity over paired episodes, in standard errors and relative."""
    starts, real = recorded or mujoco_episodes(task, controller)
    compiled = compiled_episodes(task, controller, starts)
    result = {}
    for name in real[0]:
        one, other = (np.array([row[name] for row in rows]) for rows in (real, compiled))
        error = np.std(one - other) / np.sqrt(EPISODES)
        result[name] = ((one - other).mean() / max(error, 1e-9), error / max(one.mean(), 1e-9))
    return result


@pytest.mark.parametrize(
    ("task", "controller"),
    [(STATIC.source, at_random), (DYNAMIC, to_the_goal)],
    ids=["static-source-random", "dynamic-to-the-goal"],
)
def test_episodes_have_the_same_distribution(task, controller):
    found = differences(task, controller)
    assert all(abs(score) < 4 for score, _ in found.values()), found
    # The comparison means something: these are known to a few per cent.
    assert found["speed"][1] < 0.06 and found["turn rate"][1] < 0.04, found


def test_a_slower_robot_is_noticed_in_distribution(monkeypatch):
    recorded = mujoco_episodes(DYNAMIC, to_the_goal)
    change(monkeypatch, "drag", 1.25)
    found = differences(DYNAMIC, to_the_goal, recorded)
    assert abs(found["speed"][0]) > 4, found


# --- the environment's own behaviour --------------------------------------------------------


def state_at(position, goal=(1.1, 1.1), velocity=(0.0, 0.0)):
    body = Body(jnp.array(position), jnp.zeros(()), jnp.array(velocity), jnp.zeros(()))
    return NavigationState(body, jnp.zeros((1, 2)), jnp.array(goal), jnp.array(0))


def test_reaching_the_fixed_goal_ends_the_episode():
    env = CompiledNavigation(STATIC)
    _, timestep = env.step(state_at((1.1, 0.9)), jnp.zeros(2), key=jax.random.key(0))
    assert timestep.terminated and not timestep.truncated
    assert timestep.reward == pytest.approx(1.0, abs=1e-3)


def test_a_drawn_goal_is_placed_again_and_the_next_reward_starts_there():
    env = CompiledNavigation(DYNAMIC)
    hazards = jnp.array([[-1.3 + 0.3 * i, -1.3] for i in range(8)])
    state = dataclasses.replace(state_at((0.0, 0.2), goal=(0.0, 0.0)), hazards=hazards)
    after, timestep = env.step(state, jnp.zeros(2), key=jax.random.key(0))
    assert timestep.reward == pytest.approx(1.0, abs=1e-3) and not timestep.terminated
    gaps = np.linalg.norm(np.asarray(after.goal) - np.array([[0.0, 0.2], *hazards]), axis=1)
    assert gaps[0] >= 0.705 - 1e-6 and gaps[1:].min() >= 0.485 - 1e-6
    _, timestep = env.step(after, jnp.zeros(2), key=jax.random.key(1))
    assert abs(timestep.reward) < 1e-3  # no jump by the distance to the new goal


def test_time_runs_out():
    env = CompiledNavigation(STATIC.source, episode_length=2)
    state, _ = env.reset(key=jax.random.key(0))
    state, first = env.step(state, jnp.zeros(2), key=jax.random.key(0))
    _, second = env.step(state, jnp.zeros(2), key=jax.random.key(0))
    assert (bool(first.truncated), bool(second.truncated)) == (False, True)
    assert not second.terminated


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_rescue_starts(share):
    rescue = RescueStarts(share, max_speed=1.2, max_turn_rate=2.0)
    env = CompiledNavigation(DYNAMIC.source, rescue=rescue)
    keys = jax.random.split(jax.random.key(0), 2000)
    state, _ = jax.jit(jax.vmap(lambda key: env.reset(key=key)))(keys)
    body = jax.device_get(state.body)
    gaps = np.linalg.norm(np.asarray(state.hazards) - body.position[:, None], axis=-1)
    inside, moving = gaps.min(axis=1) < 0.2, np.abs(body.velocity).max(axis=1) > 0
    assert abs(inside.mean() - share) < 0.04  # the extents cut a little off outer hazards
    np.testing.assert_array_equal(inside, moving)
    speed = np.linalg.norm(body.velocity, axis=1)[moving]
    assert np.abs(body.position).max() <= 1.5 and np.all(speed <= 1.2)
    if share:
        assert speed.max() > 1.1 and 1.9 < np.abs(body.turn_rate).max() <= 2.0


def test_mistakes():
    with pytest.raises(HandrailError, match="has vases"):
        CompiledNavigation(TASKS["navigation-dynamic"])
    with pytest.raises(HandrailError, match="robot 'car'"):
        CompiledNavigation(TASKS["navigation-semi-dynamic"])
    with pytest.raises(HandrailError, match="belong to the source"):
        CompiledNavigation(STATIC, rescue=RescueStarts(0.5))
    with pytest.raises(HandrailError, match="expected 0 to 1"):
        RescueStarts(1.5)
    with pytest.raises(HandrailError, match="at least one step"):
        CompiledNavigation(STATIC, episode_length=0)
