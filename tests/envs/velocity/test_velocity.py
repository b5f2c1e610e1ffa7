"""The velocity tasks: costs as recorded, reward and observation of the v4 robots, exact resume."""

import jax
import numpy as np
import pytest

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.velocity.tasks import VELOCITY_TASKS, velocity_task
from tests.support import data, part

pytest.importorskip("mujoco")
gymnasium = pytest.importorskip("gymnasium")
from handrail.envs.velocity.host import AT_THRESHOLD, RunningStarts, VelocityHost

CHEETAH = VELOCITY_TASKS["velocity-halfcheetah"]
RECORDED = {
    f"{robot}_v{version}": f"velocity-{robot.replace('_', '')}{'-v0' if version == 0 else ''}"
    for robot in ("half_cheetah", "ant", "hopper", "walker2d", "swimmer", "humanoid")
    for version in (0, 1)
}


def key(seed):
    return jax.random.key(seed)


def actions(host, count):
    return np.random.default_rng(0).uniform(-1, 1, (count, host.actions.size)).astype(np.float32)


@pytest.mark.parametrize("name", RECORDED)
def test_costs_are_those_of_the_original(name):
    """From positions before and after; several lie exactly at the threshold, which is free."""
    rows, task = part(data("safety-gymnasium"), f"velocity/{name}"), velocity_task(RECORDED[name])
    assert (task.threshold, task.limit) == (float(rows["threshold"]), 25.0)
    velocity = (rows["xy_after"] - rows["xy_before"]) / rows["dt"]
    costs = [task.cost(float(x), float(y)) for x, y in velocity]
    assert costs == rows["cost"].tolist()
    assert 0 < sum(costs) < len(costs)


@pytest.mark.parametrize(
    "robot", ["HalfCheetah", "Ant", "Hopper", "Walker2d", "Swimmer", "Humanoid"]
)
def test_steps_are_those_of_gymnasiums_v4_robot(robot):
    """Observation, reward, end and speed, from the same seed under the same actions."""
    host = VelocityHost(velocity_task(f"velocity-{robot.lower()}"))
    with pytest.warns(DeprecationWarning):
        other = gymnasium.make(f"{robot}-v4", disable_env_checker=True)
    expected, _ = other.reset(seed=int(jax.random.bits(key(3))) >> 1)
    np.testing.assert_array_equal(host.reset(key=key(3)), expected.astype(np.float32))
    assert host.robot.dt == pytest.approx(float(_recorded(robot)["dt"]))
    for action in actions(host, 25):
        timestep = host.step(action, key=key(0))
        scaled = action * host.robot.action_space.high
        observed, reward, terminated, _, info = other.step(scaled)
        np.testing.assert_allclose(timestep.observation, observed, rtol=2e-5, atol=2e-5)
        assert timestep.reward == pytest.approx(reward, rel=1e-4, abs=1e-4)
        assert timestep.terminated == terminated
        assert timestep.cost == host.task.cost(info["x_velocity"], info.get("y_velocity", 0.0))
        if terminated:
            break


def _recorded(robot):
    name = {"HalfCheetah": "half_cheetah"}.get(robot, robot.lower())
    return part(data("safety-gymnasium"), f"velocity/{name}_v1")


def test_published_rewards_are_recomputed_from_the_state():
    """HalfCheetah: v_x − 0.1 |a|²; Ant: v_x + 1 − 0.5 |a|², without a price for contacts, and 27
    numbers; Hopper: v_x + 1 − 0.001 |a|². The v5 robots have other ones.
    """
    for robot, alive, price, size in (
        ("halfcheetah", 0, 0.1, 17), ("ant", 1, 0.5, 27), ("hopper", 1, 1e-3, 11)
    ):  # fmt: skip
        host = VelocityHost(velocity_task(f"velocity-{robot}"))
        assert host.reset(key=key(1)).shape == (size,)
        data = host.robot.data
        place = data.body("torso").xpos if robot == "ant" else data.qpos
        for action in actions(host, 3):
            before = float(place[0])
            reward = host.step(action, key=key(0)).reward
            speed = (float(place[0]) - before) / host.robot.dt
            expected = speed + alive - price * float(np.sum(np.square(action)))
            assert reward == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["velocity-ant", "velocity-humanoid", "velocity-hopper"])
def test_a_restored_episode_goes_on_bit_for_bit(name):
    """Also where a robot's speed is told from what MuJoCo computes before it moves on."""
    host = VelocityHost(velocity_task(name).source, starts=RunningStarts(1.0, 0.0, 1.0))
    host.reset(key=key(2))
    plan = actions(host, 8) * 0.1
    for action in plan[:4]:
        observed = host.step(action, key=key(0)).observation
    saved = host.snapshot()
    went_on = [host.step(action, key=key(0)) for action in plan[4:]]
    other = VelocityHost(velocity_task(name).source)
    other.reset(key=key(9))
    other.step(plan[0], key=key(0))
    np.testing.assert_array_equal(other.restore(saved), observed)
    for action, expected in zip(plan[4:], went_on, strict=True):
        jax.tree.map(np.testing.assert_array_equal, other.step(action, key=key(0)), expected)


def test_the_source_rewards_moving_and_costs_alike():
    """Backwards too: its reward is not the task's."""
    source = VelocityHost(CHEETAH.source, starts=RunningStarts(1.0, 4.0, 4.0))
    target = VelocityHost(CHEETAH)
    source.reset(key=key(0))
    still = np.zeros(6, np.float32)
    moved = source.step(still, key=key(0))
    assert moved.reward == pytest.approx(AT_THRESHOLD * 4.0 / CHEETAH.threshold, rel=0.1)
    assert moved.cost == 1
    target.reset(key=key(0))
    assert target.step(still, key=key(0)).cost == 0
    source.robot.data.qvel[0] = -4.0
    backwards = source.step(still, key=key(0))
    assert backwards.reward > 0.5 * AT_THRESHOLD
    assert backwards.cost == 0


def test_running_starts_are_as_many_and_as_fast_as_they_say():
    starts = RunningStarts(0.5, 1.0, 2.0)
    host = VelocityHost(velocity_task("velocity-ant").source, starts=starts)
    speeds = []
    for seed in range(60):
        host.reset(key=key(seed))
        speeds.append(np.hypot(*host.robot.data.qvel[:2]))
    fast = np.array(speeds) > 0.7  # at rest there is noise of a tenth
    assert 18 < fast.sum() < 42
    assert np.max(speeds) < 2.5
    directions = [s for s, f in zip(speeds, fast, strict=True) if f]
    assert max(directions) > 1.6


def test_time_limit_and_mistakes():
    host = VelocityHost(CHEETAH, episode_length=2)
    host.reset(key=key(0))
    ends = [host.step(np.zeros(6, np.float32), key=key(0)).truncated for _ in range(2)]
    assert ends == [False, True]
    with pytest.raises(UnknownName, match="did you mean 'velocity-halfcheetah'"):
        velocity_task("velocity-halfcheeta")
    with pytest.raises(HandrailError, match="belong to the source"):
        VelocityHost(CHEETAH, starts=RunningStarts(0.5, 0.0, 1.0))
    with pytest.raises(HandrailError, match="0 ≤ slowest ≤ fastest"):
        RunningStarts(0.5, 2.0, 1.0)
    with pytest.raises(HandrailError, match="share 2"):
        RunningStarts(2, 0.0, 1.0)
