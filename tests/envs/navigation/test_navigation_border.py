"""The border of the extents: sources that end there, go on outside, or lead back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.envs.navigation.compiled import CompiledNavigation, NavigationState
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.planar import Body
from handrail.envs.navigation.tasks import TASKS

STATIC = TASKS["navigation-static"]


def moving(position, velocity):
    body = Body(jnp.array(position), jnp.zeros(()), jnp.array(velocity), jnp.zeros(()))
    return NavigationState(body, jnp.zeros((1, 2)), jnp.array((1.1, 1.1)), jnp.array(0))


def test_the_source_ends_outside_the_extents_without_reward():
    env = CompiledNavigation(STATIC.source)
    key = jax.random.key(0)
    inside = env.step(moving((1.49, 0.0), (1.0, 0.0)), jnp.zeros(2), key=key)
    assert not inside[1].terminated and inside[1].reward == pytest.approx(0.02, abs=2e-3)
    _, timestep = env.step(inside[0], jnp.zeros(2), key=key)
    assert timestep.terminated and timestep.reward == 0.0


def test_an_open_source_goes_on_outside_without_reward():
    env = CompiledNavigation(STATIC.source_that("open"))
    _, timestep = env.step(moving((1.6, 0.0), (1.0, 0.0)), jnp.zeros(2), key=jax.random.key(0))
    assert not timestep.terminated and timestep.reward == 0.0


@pytest.mark.parametrize(("at", "velocity", "earned"), [
    ((1.6, 0.0), (-1.0, 0.0), 0.02),  # back
    ((1.6, 0.0), (1.0, 0.0), -0.02),  # away
    ((1.6, 0.0), (0.0, 1.0), 0.0),  # along
    ((1.6, -1.7), (-1.0, 1.0), 0.028),  # back to a corner
    ((1.0, 0.0), (0.0, 1.0), 0.02),  # inside: the distance moved
])  # fmt: skip
def test_a_homing_source_rewards_the_way_back(at, velocity, earned):
    env = CompiledNavigation(STATIC.source_that("homing"))
    state = moving(at, velocity)
    _, timestep = env.step(state, jnp.zeros(2), key=jax.random.key(0))
    assert not timestep.terminated
    assert float(timestep.reward) == pytest.approx(earned, abs=2e-3)


def test_the_real_engine_agrees_about_the_way_back():
    """The way out and the way back earn nothing together."""
    env = MujocoNavigation(STATIC.source_that("homing"))
    env.reset(seed=0)
    rewards, outside = [], []
    for step in range(900):
        x, y = env.scene().robot
        outside.append(max(abs(x), abs(y)) > 1.5)
        _, reward, terminated, _, _ = env.step(np.array([1.0 if step < 300 else -1.0, 0.0]))
        rewards.append(reward)
        assert not terminated
        if outside[-1] and max(map(abs, env.scene().robot)) <= 1.5:
            break  # back again
    rewards, outside = np.array(rewards), np.array(outside)
    assert outside[-1] and (rewards[outside] < 0).sum() > 20 < (rewards[outside] > 0).sum()
    assert abs(rewards[outside].sum()) < 0.03  # a step's way at the border


@pytest.mark.parametrize(
    ("task", "ends"), [(STATIC.source, True), (STATIC.source_that("open"), False)]
)
def test_the_real_engine_agrees_about_the_border(task, ends):
    env = MujocoNavigation(task)
    env.reset(seed=0)
    for _ in range(1000):  # straight on
        _, reward, terminated, _, _ = env.step(np.array([1.0, 0.0]))
        if terminated or np.abs(env.scene().robot).max() > 1.7:
            break
    assert terminated is ends and (reward == 0.0) and np.abs(env.scene().robot).max() > 1.5
