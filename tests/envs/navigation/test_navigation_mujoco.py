"""The MuJoCo engine against recorded Safety Gym steps and episodes."""

import sys

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation import models
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.tasks import TASKS
from tests.envs.navigation.recordings import (
    RECORDED,
    expected_reward,
    recording,
    snapshot,
    split,
    subset,
)
from tests.support import data, oracle, part

mujoco = import_mujoco()  # so that it renders without a screen, whichever test is first
COSTS = ("cost", "cost_hazards", "cost_vases_contact", "cost_vases_velocity")
SAME = 1e-13  # on the same MuJoCo: exact physics, the last digit of the lidar's trigonometry


def one_step_errors(env, rows, every=1):
    """Largest error of each quantity over the rows, stepping from each recorded state."""
    task = env.task
    errors = dict.fromkeys(("motion", "reward", *COSTS, "goal_met", "ended", *task.parts), 0.0)

    def worst(name, got, expected):
        errors[name] = max(errors[name], float(np.abs(np.subtract(got, expected)).max()))

    rewards, observations = expected_reward(rows, task), split(rows, rows["after_obs"])
    for row in range(0, len(rewards), every):
        if task.robot == "car" and rows["first"][row]:
            continue  # the wheels just touch: rounding alone decides whether there is a contact
        env.restore(snapshot(rows, row))
        observation, reward, terminated, _, info = env.step(rows["A_action"][row])
        worst("motion", env.data.qpos, rows["after_qpos"][row])
        worst("motion", env.data.qvel, rows["after_qvel"][row])
        worst("reward", reward, rewards[row])
        for name in COSTS:
            if name in info:
                worst(name, info[name], rows[f"A_{name}"][row])
        worst("goal_met", float(info["goal_met"]), float(rows["A_goal_met"][row]))
        left = bool(rows["A_left_extents"][row]) and not task.has_goal
        if not info["goal_met"]:
            worst("ended", float(terminated), float(left))
        for name, part_ in observation.items():
            if name == "goal_lidar" and info["goal_met"]:
                continue  # the new goal depends on draws before this step: see the episodes
            worst(name, part_.ravel(), observations[name][row])
    return errors


def check_one_step(name, rows, every=1):
    errors = one_step_errors(MujocoNavigation(RECORDED[name]), rows, every)
    if mujoco.__version__ == str(rows["mujoco_version"]):
        assert all(error <= SAME for error in errors.values()), errors
        assert errors["motion"] == 0.0
    elif name.endswith("v0"):  # without objects to touch, versions agree
        assert all(error <= 1.2e-9 for error in errors.values()), errors
    else:
        for quantity in ("cost", "cost_hazards", "goal_met", "ended"):
            assert errors[quantity] == 0.0, errors


@pytest.mark.parametrize("name", RECORDED)
def test_one_step(name):
    check_one_step(name, subset(name))


@pytest.mark.parametrize("name", RECORDED)
def test_every_fifth_recorded_step(name):
    check_one_step(name, recording(name), every=5)  # the episodes below go through all of them


def needs_the_recorded_version():
    recorded = str(subset("GuideEnv-v0")["mujoco_version"])
    if mujoco.__version__ != recorded:
        pytest.skip(f"episodes part at the first last digit: recorded on MuJoCo {recorded}")


def check_episode(env, episode):
    """Resets from the seed, replays the actions; all that follows must be as recorded."""
    task = env.task
    flat = lambda parts: np.concatenate([part_.ravel() for part_ in parts.values()])
    observation, info = env.reset(seed=int(episode["seed"]) - 1)
    assert info == {"seed": int(episode["seed"]), "redraws": 0}
    np.testing.assert_allclose(flat(observation), episode["first_obs"], atol=SAME, rtol=0)
    rewards = expected_reward(episode, task)
    for step, action in enumerate(episode["A_action"]):
        observation, reward, terminated, _, info = env.step(action)
        assert abs(reward - rewards[step]) <= SAME
        assert info["cost"] == episode["A_cost"][step]
        assert info["goal_met"] == episode["A_goal_met"][step]
        if task.has_goal and not terminated:
            assert env.scene().goal.tolist() == episode["goals"][step + 1].tolist()
    np.testing.assert_allclose(flat(observation), episode["last_obs"], atol=SAME, rtol=0)


@pytest.mark.parametrize("name", RECORDED)
def test_an_episode_from_its_seed(name):
    needs_the_recorded_version()
    episode = part(data("navigation"), f"episode-{name}")
    check_episode(MujocoNavigation(RECORDED[name]), episode)
    assert episode["A_goal_met"].any() == RECORDED[name].has_goal


@pytest.mark.parametrize("name", RECORDED)
def test_all_recorded_episodes(name):
    needs_the_recorded_version()
    arrays, env = oracle(f"navigation/{name}"), MujocoNavigation(RECORDED[name])
    for index, begin in enumerate(arrays["E_state_off"][:-1]):
        steps = slice(*arrays["E_step_off"][index : index + 2])
        end = begin + arrays["E_len"][index]
        episode = {n: a[steps] for n, a in arrays.items() if n.startswith("A_")}
        episode |= {"seed": arrays["E_seed"][index]}
        episode |= {"first_obs": arrays["S_obs"][begin], "last_obs": arrays["S_obs"][end]}
        if "S_goal_xy" in arrays:
            episode["goals"] = arrays["S_goal_xy"][begin : end + 1]
        check_episode(env, episode)


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ('size=".05 .05 .05"', 'size=".051 .05 .05"', "motion"),
        ('kv="1"', 'kv="1.01"', "gyro"),
        ('type="sphere" size=".1" friction', 'type="sphere" size=".1" density="1.01" friction',
         "accelerometer"),
    ],
)  # fmt: skip
def test_another_robot_is_noticed(monkeypatch, old, new, broken):
    text = models.model_xml(RECORDED["StudentEnv-v0"])
    assert old in text
    monkeypatch.setattr(models, "model_xml", lambda task: text.replace(old, new))
    errors = one_step_errors(MujocoNavigation(RECORDED["StudentEnv-v0"]), subset("StudentEnv-v0"))
    assert errors[broken] > 1e-6


def test_starts_that_cost_are_redrawn_and_counted():
    env = MujocoNavigation(TASKS["navigation-semi-dynamic"].source)
    recorded = part(data("navigation"), "layouts-GuideEnv-v1")
    refused = recorded["L_seed"][recorded["L_reset_ok"] == 0]
    assert len(refused)
    for seed in refused:
        _, info = env.reset(seed=int(seed) - 1)
        assert info["redraws"] >= 1 and info["seed"] == seed + info["redraws"]


def test_episodes_follow_one_another_and_end_in_time():
    env = MujocoNavigation(TASKS["navigation-static"])
    _, first = env.reset(seed=5)
    _, second = env.reset()
    assert (first["seed"], second["seed"]) == (6, 7)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(1000)]
    assert ends[-2:] == [(False, False), (False, True)]


def test_a_snapshot_goes_on_as_if_nothing_had_happened():
    rng = np.random.default_rng(0)
    env, other = (MujocoNavigation(TASKS["navigation-dynamic"]) for _ in range(2))
    actions = rng.uniform(-1, 1, (60, 2))
    env.reset(seed=11)
    for action in actions[:30]:
        env.step(action)
    kept = env.snapshot()
    run = [env.step(action) for action in actions[30:]]
    other.restore(kept)
    again = [other.step(action) for action in actions[30:]]
    for one, two in zip(run, again, strict=True):
        assert one[1:] == two[1:]
        for name, value in one[0].items():
            np.testing.assert_array_equal(value, two[0][name])


def test_the_gymnasium_contract():
    env = MujocoNavigation(TASKS["navigation-semi-dynamic"])
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert list(observation) == list(env.observation_space.spaces)
    observation, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)


def test_a_simulation_that_blows_up_ends_the_episode():
    env = MujocoNavigation(TASKS["navigation-static"])
    env.reset(seed=0)
    env.step(np.zeros(2))
    env.data.qvel[0] = np.inf
    _, reward, terminated, _, info = env.step(np.zeros(2))
    assert (reward, terminated, info["cost"]) == (-10.0, True, 1.0)


def test_mistakes():
    env = MujocoNavigation(TASKS["navigation-static"])
    with pytest.raises(HandrailError, match="reset"):
        env.step(np.zeros(2))
    with pytest.raises(HandrailError, match="render_mode"):
        MujocoNavigation(TASKS["navigation-static"], render_mode="human")
    env.reset(seed=0)
    with pytest.raises(HandrailError, match="NaN"):
        env.step(np.array([np.nan, 0.0]))


def test_a_missing_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(HandrailError, match="package 'mujoco'"):
        import_mujoco()
