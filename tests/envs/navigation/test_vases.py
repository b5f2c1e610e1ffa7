"""Vases that sleep while they rest change nothing that anyone would notice."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("mujoco")
from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation import vases
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.tasks import TASKS

SEMI, DYNAMIC = TASKS["navigation-semi-dynamic"], TASKS["navigation-dynamic"]
SLEEPS = hasattr(import_mujoco().mjtEnableBit, "mjENBL_SLEEP")
pytestmark = pytest.mark.skipif(not SLEEPS, reason="this MuJoCo cannot let trees sleep")
SEEDS = (0, 1, 5)  # episodes in which vases are pushed


def held(seed, steps):
    """Random actions, each held for 20 steps."""
    actions = np.random.default_rng(seed).uniform(-1, 1, (steps, 2))
    return actions[np.arange(steps) // 20]


def drive(env, seed, steps):
    """The results of every step of random driving."""
    return [env.step(action) for action in held(seed, steps)]


def follow(env, exact, seed, steps=450):
    """Every step of `env` beside the same step of `exact`, taken from where `env` was."""
    first, *others = held(seed, steps)
    env.reset(seed=seed)
    env.step(first)  # the car's first step hangs by the last digit (see the oracle)
    for action in others:
        exact.restore(env.snapshot())
        awake = env.data.ntree_awake
        yield awake, env.step(action), exact.step(action), exact.data.qpos - env.data.qpos


def test_a_step_with_sleeping_vases_is_the_step_without():
    env, exact = MujocoNavigation(SEMI, resting=True), MujocoNavigation(SEMI)
    alone, same, pushed, apart, total = 0, 0, 0, 0.0, 0
    for seed in SEEDS:
        for awake, ours, theirs, places in follow(env, exact, seed):
            assert ours[2:] == theirs[2:]  # ends, costs of each kind, whether the goal was met
            assert ours[1] == pytest.approx(theirs[1], abs=1e-6)
            differences = [np.abs(ours[0][name] - theirs[0][name]).max() for name in ours[0]]
            assert max(differences) < 1e-4  # m/s² of the accelerometer; the rest is far below
            apart = max(apart, np.abs(places).max())
            alone += awake == 1
            same += max(np.abs(places[:9])) < 1e-15
            pushed += ours[4]["cost_vases_velocity"]
            total += 1
    assert apart < 1e-6  # m, the vases' settling included
    assert alone > 0.7 * total and same > 0.7 * total and pushed > 20


def test_nor_does_the_point_robot_notice():
    """Its chaotic yaw is the same to the last bit wherever it touches nothing."""
    env, exact = (MujocoNavigation(DYNAMIC, resting=way) for way in (True, False))
    touched, steps = 0, 0
    for awake, ours, theirs, places in follow(env, exact, 2):  # an episode that meets the vase
        assert ours[2:] == theirs[2:]
        if awake == 1 and not env.touches():
            assert not np.any(places[:3])
            assert all(np.array_equal(ours[0][n], theirs[0][n]) for n in DYNAMIC.sensors)
        assert np.abs(places).max() < 1e-6
        touched, steps = touched + env.touches(), steps + (awake == 1)
    assert touched and steps > 350


def test_a_vase_that_slept_too_early_would_be_noticed(monkeypatch):
    """MuJoCo's own tolerance stops vases that still slide, and with them their cost."""
    monkeypatch.setattr(vases, "REST", 1e-3)
    env, exact = MujocoNavigation(SEMI, resting=True), MujocoNavigation(SEMI)
    pairs = [
        (ours[4]["cost"], theirs[4]["cost"])
        for seed in SEEDS
        for _, ours, theirs, _ in follow(env, exact, seed)
    ]
    assert sum(ours != theirs for ours, theirs in pairs) > 10


def test_an_episode_with_sleeping_vases_goes_on_exactly():
    """And without saying who slept it would not."""
    env = MujocoNavigation(SEMI, resting=True)
    env.reset(seed=1)
    drive(env, 1, 300)
    kept = env.snapshot()
    assert env.data.ntree_awake < env.model.ntree
    expected = drive(env, 2, 200)

    def goes_on(snapshot):
        other = MujocoNavigation(SEMI, resting=True)
        other.reset(seed=9)
        other.restore(snapshot)
        return all(
            ours[1:] == theirs[1:]
            and all(np.array_equal(ours[0][name], theirs[0][name]) for name in ours[0])
            for ours, theirs in zip(drive(other, 2, 200), expected, strict=True)
        )

    assert goes_on(kept)
    assert not goes_on(dataclasses.replace(kept, asleep=np.full_like(kept.asleep, -11)))


def test_an_exact_engine_never_sleeps():
    env = MujocoNavigation(SEMI)
    env.reset(seed=1)
    for action in held(1, 100):
        env.step(action)
        assert env.data.ntree_awake == env.model.ntree
