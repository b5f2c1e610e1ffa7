"""MuJoCo tasks on the host: as compiled ones, from keys, saved exactly, with rescue starts."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from handrail.core.artifact import fill, named_arrays
from handrail.core.errors import HandrailError
from handrail.envs.host import seed_of
from handrail.envs.navigation.compiled import CompiledNavigation, RescueStarts
from handrail.envs.navigation.layouts import hazard_depth
from handrail.envs.navigation.tasks import TASKS
from handrail.envs.transfer import observation_shapes

pytest.importorskip("mujoco")
from handrail.envs.navigation.launching import CAR_SPEED, Launch
from handrail.envs.navigation.mujoco_host import MujocoHost

SEMI, DYNAMIC = TASKS["navigation-semi-dynamic"], TASKS["navigation-dynamic"]
KEY = jax.random.key(3)
STEP = jax.random.key(0)  # of steps, which draw nothing


def test_it_looks_like_the_compiled_environment():
    task = TASKS["navigation-static"]
    host, compiled = MujocoHost(task), CompiledNavigation(task)
    assert host.actions == compiled.actions
    assert host.episode_length == compiled.episode_length
    state, expected = jax.eval_shape(lambda: compiled.reset(key=KEY))
    action = jax.ShapeDtypeStruct((2,), np.float32)
    _, last = jax.eval_shape(lambda s, a: compiled.step(s, a, key=STEP), state, action)
    observation = host.reset(key=KEY)
    timestep = host.step(np.zeros(2, np.float32), key=STEP)
    assert observation_shapes(host) == observation_shapes(compiled)
    for ours, theirs in ((observation, expected), (timestep, last)):
        leaves = jax.tree.leaves(ours), jax.tree.leaves(theirs)
        for one, other in zip(*leaves, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)


def test_an_episode_depends_on_its_key_alone():
    host, other = MujocoHost(DYNAMIC), MujocoHost(DYNAMIC)
    other.reset(key=jax.random.key(9))
    np.testing.assert_equal(host.reset(key=KEY), other.reset(key=KEY))
    assert not np.array_equal(
        host.reset(key=jax.random.key(4))["hazards_lidar"], other.reset(key=KEY)["hazards_lidar"]
    )
    assert seed_of(KEY) == seed_of(KEY) < 2**31


@pytest.mark.parametrize("task", [SEMI, SEMI.source, DYNAMIC], ids=["car", "source", "point"])
def test_a_saved_episode_goes_on_exactly(task):
    """Also from a file, which must not shorten the simulator's float64."""
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    host, other = MujocoHost(task), MujocoHost(task)
    host.reset(key=KEY)
    for action in actions[:30]:
        host.step(action, key=STEP)
    saved = host.snapshot()
    other.reset(key=jax.random.key(1))
    template = other.snapshot()
    assert {n: (a.shape, a.dtype) for n, a in saved.items()} == {
        n: (a.shape, a.dtype) for n, a in template.items()
    }
    read = fill(template, named_arrays(saved), source="test")
    assert read["qpos"].dtype == np.float64
    one = [host.step(action, key=STEP) for action in actions[30:]]
    other.restore(read)
    two = [other.step(action, key=STEP) for action in actions[30:]]
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)
    # what follows the episode is the same as well, and so is the saved whole
    for name, array in host.snapshot().items():
        np.testing.assert_array_equal(array, other.snapshot()[name], err_msg=name)


def test_a_goal_drawn_anew_is_drawn_from_the_saved_generator():
    """Two restored episodes meet the same next goals."""
    host = MujocoHost(DYNAMIC)
    host.reset(key=KEY)
    saved = host.snapshot()
    goals = []
    for _ in range(2):
        host.restore(saved)
        engine = host.engine
        engine._goal = tuple(engine._place[:2].tolist())  # it stands on the goal
        host.step(np.zeros(2), key=STEP)
        goals.append(engine._goal)
    assert goals[0] == goals[1] and not np.allclose(goals[0], engine._place[:2])


def test_shortened_episodes_end_in_time():
    host = MujocoHost(SEMI.source, episode_length=5)
    for _ in range(2):
        host.reset(key=KEY)
        ends = [bool(host.step(np.zeros(2), key=STEP).truncated) for _ in range(5)]
        assert ends == [False] * 4 + [True]
    with pytest.raises(HandrailError, match="episode_length 0"):
        MujocoHost(SEMI.source, episode_length=0)


def starts(task, share, number=40):
    """Hazard depth, speed, turn rate and contacts with vases, of episodes of a source."""
    host, found = MujocoHost(task.source, rescue=RescueStarts(share, 1.5, 3.0)), []
    for seed in range(number):
        seen = host.reset(key=jax.random.key(seed))
        engine = host.engine
        depth = hazard_depth(
            tuple(engine._place[:2].tolist()), engine.layout.hazards, task.hazards.size
        )
        speed = float(np.linalg.norm(seen["velocimeter"]))
        found.append((depth, speed, abs(float(seen["gyro"][2])), engine.touches()))
    return np.array(found).T


@pytest.mark.parametrize(
    ("task", "speed", "rate"), [(SEMI, CAR_SPEED, 1.5), (DYNAMIC, 1.5, 3.0)], ids=["car", "point"]
)
def test_rescue_starts_begin_in_hazards_moving_and_clear_of_vases(task, speed, rate):
    depth, speeds, rates, touches = starts(task, 1.0)
    # clipped to the extents, a place may lie just outside of its hazard
    assert (depth > 0).mean() > 0.9
    assert not touches.any()
    assert 0.8 * speed < speeds.max() <= speed * 1.001 and speeds.min() < 0.2 * speed
    assert 0.8 * rate < rates.max() <= rate * 1.001 and rates.min() < 0.2 * rate


def test_a_car_that_is_rescued_has_rolled_on_its_ball():
    """How the ball lies would give away that an episode has just begun."""
    usual, rescued = (MujocoHost(SEMI.source, rescue=RescueStarts(share)) for share in (0.0, 1.0))

    def turns(host, number=30):
        seen = [host.reset(key=jax.random.key(seed))["ballquat_rear"] for seed in range(number)]
        return np.reshape(seen, (number, 3, 3))

    unturned = np.broadcast_to(np.eye(3), (30, 3, 3))
    np.testing.assert_allclose(turns(usual), unturned, atol=1e-3)
    turned = turns(rescued)
    np.testing.assert_allclose(turned @ np.swapaxes(turned, 1, 2), unturned, atol=1e-6)
    assert np.mean(turned[:, 2, 2] < 0) == pytest.approx(0.5, abs=0.3)  # upside down


def test_a_share_of_the_episodes_are_rescue_starts():
    depth, speeds, *_ = starts(DYNAMIC, 0.5, 60)
    assert 0.3 < (speeds > 0).mean() < 0.7
    assert (depth[speeds == 0] == 0).all()
    depth, speeds, *_ = starts(DYNAMIC, 0.0, 5)
    assert not speeds.any() and not depth.any()


def test_a_launched_robot_moves_where_it_should():
    """The first step goes along the course, about as far as the speed says."""
    for task in (SEMI, DYNAMIC):
        host = MujocoHost(task.source)
        host.reset(key=KEY)
        engine = host.engine
        layout = dataclasses.replace(engine.layout, robot=(0.0, 0.9))
        car = task.robot == "car"
        course = layout.robot_heading - math.pi / 2 if car else 1.0
        engine.launch(layout, Launch(layout.robot, 0.6, course, 0.0))
        before = engine._place[:2].copy()
        host.step(np.zeros(2), key=STEP)
        x, y = engine._place[:2] - before
        assert math.remainder(math.atan2(y, x) - course, 2 * math.pi) == pytest.approx(0, abs=0.1)
        assert math.hypot(x, y) == pytest.approx(0.6 * 10 * task.timestep, rel=0.3)


def test_rescue_starts_belong_to_the_source():
    with pytest.raises(HandrailError, match="belong to the source"):
        MujocoHost(SEMI, rescue=RescueStarts(0.5))
