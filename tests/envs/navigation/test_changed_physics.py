"""Other masses, dampings and motors: both engines agree, and nominal physics are untouched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.envs.navigation import planar
from handrail.envs.navigation.compiled import CompiledNavigation
from handrail.envs.navigation.launching import Launch
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.planar import NOMINAL, Body, Physics
from handrail.envs.navigation.tasks import TASKS

STATIC, KEY = TASKS["navigation-static"], jax.random.key(5)
SENSORS = ("accelerometer", "gyro", "velocimeter")


def test_nominal_physics_are_constants_of_the_program():
    assert all(type(value) is float for value in jax.tree.leaves(NOMINAL))
    assert numbers(NOMINAL) == numbers(Physics.scaled(1.0, 1.0, 1.0))
    state, _ = jax.eval_shape(lambda: CompiledNavigation(STATIC).reset(key=KEY))
    assert state.physics is None and len(jax.tree.leaves(state)) == 7


def numbers(physics):
    return [float(value) for value in jax.tree.leaves(physics)]


@pytest.fixture(scope="module")
def single_step():
    """What the compiled engine makes of a step, in double precision."""

    def stepped(position, heading, velocity, turn_rate, action, factors):
        physics = Physics.scaled(*factors)
        body = planar.advance(Body(position, heading, velocity, turn_rate), action, physics)
        return body, planar.sensors(body, action, physics)

    return jax.jit(stepped)


@pytest.mark.parametrize(
    "factors",
    [(1.0, 1.0, 1.0), (0.5, 1.5, 1.0), (1.5, 0.5, 1.0), (1.0, 1.0, 0.6), (1.4, 1.3, 1.5)],
)
def test_both_engines_agree_in_single_steps(factors, single_step):
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost

    rng, host = np.random.default_rng(0), MujocoHost(STATIC, physics=PhysicsRange.at(*factors))
    worst, moved = dict.fromkeys(("position", "velocity", *SENSORS), 0.0), []
    for seed in range(8):
        host.reset(key=jax.random.key(seed))
        engine, layout = host.engine, host.engine.layout
        speed, course, rate = rng.uniform(0, 1.5), rng.uniform(-3, 3), rng.uniform(-3, 3)
        engine.launch(layout, Launch(layout.robot, speed, course, rate))
        before, heading = engine._place[:2].copy(), layout.robot_heading
        action = rng.uniform(-0.1, 0.1, 2)  # motors saturate at 0.05
        seen, *_ = engine.step(action)
        velocity = speed * np.array([np.cos(course), np.sin(course)])
        given = (before, heading, velocity, rate, action, host.snapshot()["physics"])
        with jax.enable_x64(True):
            body, sensed = single_step(*(jnp.asarray(each, jnp.float64) for each in given))
        turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        found = {
            "position": (body.position, engine._place[:2]),
            "velocity": (body.velocity, turn @ engine.data.qvel[:2]),
            **{name: (sensed[name], seen[name]) for name in SENSORS},
        }
        for name, (ours, theirs) in found.items():
            error = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
            worst[name] = max(worst[name], error)
        moved.append(np.asarray(body.velocity) - velocity)
    assert all(error < 1e-7 for error in worst.values()), worst
    assert np.ptp(moved) > 1e-3


def test_a_range_is_drawn_anew_at_each_episode_and_moves_nothing_else():
    varied = CompiledNavigation(STATIC.source, physics=PhysicsRange.around(0.5, 0.25))
    nominal = CompiledNavigation(STATIC.source)
    keys = jax.random.split(KEY, 64)
    states, _ = jax.jit(jax.vmap(lambda key: varied.reset(key=key)))(keys)
    plain, _ = jax.jit(jax.vmap(lambda key: nominal.reset(key=key)))(keys)
    masses = np.asarray(states.physics.mass) / planar.MASS
    drags = np.asarray(states.physics.drag) / planar.DRAG
    assert 0.5 <= masses.min() < 0.6 and 1.4 < masses.max() <= 1.5
    assert 0.75 <= drags.min() < 0.8 and 1.2 < drags.max() <= 1.25
    assert np.allclose(states.physics.inertia / planar.INERTIA, masses)
    assert np.allclose(states.physics.strength, planar.GEAR)
    assert abs(np.corrcoef(masses, drags)[0, 1]) < 0.5
    np.testing.assert_array_equal(states.hazards, plain.hazards)
    assert PhysicsRange.around() is None


def test_a_heavier_robot_gains_less_speed():
    """A straight start from rest: the change of speed is inverse to mass, but for the damping."""
    rest = Body(jnp.zeros(2), jnp.float32(0), jnp.zeros(2), jnp.float32(0))
    speed = lambda *factors: float(
        planar.advance(rest, jnp.array([1.0, 0.0]), Physics.scaled(*factors)).velocity[0]
    )
    assert speed(0.5, 0.0, 1.0) == pytest.approx(2 * speed(1.0, 0.0, 1.0), rel=1e-5)
    assert speed(1.0, 0.0, 1.5) == pytest.approx(1.5 * speed(1.0, 0.0, 1.0), rel=1e-5)


def test_a_saved_episode_keeps_its_physics():
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost

    host, other = (MujocoHost(STATIC, physics=PhysicsRange.around(0.5, 0.5, 0.5)) for _ in range(2))
    host.reset(key=KEY)
    host.step(np.ones(2), key=KEY)
    saved = host.snapshot()
    other.reset(key=jax.random.key(9))
    other.restore(saved)
    assert not np.allclose(saved["physics"], 1)
    for _ in range(3):
        one, two = (each.step(np.ones(2), key=KEY) for each in (host, other))
        for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    host.reset(key=jax.random.key(2))
    assert not np.array_equal(host.snapshot()["physics"], saved["physics"])


def test_all_bodies_of_a_car_are_changed_and_no_vase():
    pytest.importorskip("mujoco")
    from handrail.envs.navigation.mujoco_host import MujocoHost

    task = TASKS["navigation-semi-dynamic"]
    nominal, changed = MujocoHost(task), MujocoHost(task, physics=PhysicsRange.at(2.0, 0.5, 0.25))
    for host in (nominal, changed):
        host.reset(key=KEY)
    before, after = nominal.engine.model, changed.engine.model
    own = np.array([body for body in range(before.nbody) if "vase" not in before.body(body).name])
    vases = np.setdiff1d(np.arange(before.nbody), own)
    assert len(own) == 5 and len(vases)  # world, chassis, two wheels, ball
    for name in ("body_mass", "body_inertia"):
        was, now = getattr(before, name), getattr(after, name)
        np.testing.assert_allclose(now[own], 2 * was[own])
        np.testing.assert_array_equal(now[vases], was[vases])
    np.testing.assert_allclose(after.dof_damping, 0.5 * before.dof_damping)
    assert before.dof_damping.any()
    np.testing.assert_allclose(after.actuator_forcerange, 0.25 * before.actuator_forcerange)
