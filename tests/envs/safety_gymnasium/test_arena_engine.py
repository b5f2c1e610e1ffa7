"""Steps of Safety-Gymnasium's tasks: buttons, gremlins, the box, ends, sources, exact resume."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.launching import Launch
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS
from tests.support import data

pytest.importorskip("mujoco")
from handrail.envs.safety_gymnasium.engine import ArenaEngine
from handrail.envs.safety_gymnasium.host import ArenaHost

BUTTON, PUSH = ARENA_TASKS["navigation-button1"], ARENA_TASKS["navigation-push1"]
CIRCLE, GOAL2 = ARENA_TASKS["navigation-circle1"], ARENA_TASKS["navigation-goal2"]
STILL = np.zeros(2, np.float32)
KEY = jax.random.key(0)


def put(engine, place, heading=0.0):
    """The robot there, at rest; all else as it is, the rule's memory included."""
    kept = engine.rule.numbers()
    layout = dataclasses.replace(engine.layout, robot=place, robot_heading=heading)
    engine.arrange(layout)
    engine.rule.recall(kept)


def beside(place, distance):
    """Towards the middle, so that nothing else is likely to be there."""
    length = math.hypot(*place)
    return tuple(c * (1 - distance / length) for c in place)


def button_world():
    """Hazards and gremlins far away, buttons at four places; the first is the goal."""
    engine = ArenaEngine(BUTTON)
    engine.reset(seed=3)
    layout = engine.layout
    layout.places["hazards"] = [(9.0, 9.0)] * 4
    layout.places["gremlins"] = [(8.0, 8.0 + k) for k in range(4)]
    layout.places["buttons"] = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
    engine.rule.button = 0
    put(engine, (0.0, 0.0))
    return engine


def test_buttons_sleep_after_the_beginning_as_recorded():
    """Asleep they cost nothing and are not seen."""
    engine = button_world()
    timers, seen = [], []
    for _ in data("safety-gymnasium")["nav/button_timer_after_reset"]:
        timers.append(engine.rule.timer)
        seen.append(engine.step(STILL)[0]["buttons_lidar"].any())
    assert timers == data("safety-gymnasium")["nav/button_timer_after_reset"].tolist()
    assert seen == [timer <= 1 for timer in timers]


def test_a_wrong_button_costs_only_awake_and_the_right_one_pays():
    engine = button_world()
    put(engine, (-0.82, 0.0))  # it touches the second one
    *_, info = engine.step(STILL)
    assert (engine.rule.timer, info["cost"], info["cost_buttons"]) == (9, 0.0, 0.0)
    engine.rule.timer = 0
    *_, info = engine.step(STILL)
    assert (info["cost"], info["cost_buttons"], info["goal_met"]) == (1.0, 1.0, False)
    put(engine, (0.82, 0.0))
    engine.rule.recall([0.0, 0.0, 0.18])
    _, reward, terminated, _, info = engine.step(STILL)
    assert info["goal_met"] and not terminated
    assert info["cost"] == 0.0
    assert reward == pytest.approx(1.0, abs=0.05)  # it is pushed back a little
    assert engine.rule.timer == 10


def test_gremlins_go_round_as_recorded():
    """Their targets from the places where they began; they float a little behind them."""
    engine = ArenaEngine(BUTTON)
    engine.reset(seed=1)
    rows = data("safety-gymnasium")
    for time, target in zip(
        rows["nav/gremlin_time"], rows["nav/gremlin_mocap_target"], strict=True
    ):
        engine.data.time = time
        engine.solids.pull()
        np.testing.assert_allclose(engine.data.mocap_pos, np.tile(target, (4, 1)), atol=1e-12)
    engine.reset(seed=1)
    put(engine, (20.0, 20.0))
    start = np.array(engine.places("gremlins"))
    for _ in range(100):
        engine.step(STILL)
    phase = engine.data.time
    moved = np.array(engine.places("gremlins")) - start
    expected = 0.35 * np.array([math.sin(phase), math.cos(phase)])
    assert np.abs(moved - expected).max() < 0.08
    heights = engine.data.xpos[engine.solids._ids["gremlins"], 2]
    np.testing.assert_allclose(heights, 0.2, atol=0.01)


def test_touching_a_gremlin_costs():
    engine = ArenaEngine(BUTTON)
    engine.reset(seed=1)
    engine.layout.places["hazards"] = [(9.0, 9.0)] * 4
    put(engine, (20.0, 20.0))
    engine.step(STILL)
    assert engine.step(STILL)[-1]["cost_gremlins"] == 0.0
    x, y = engine.places("gremlins")[0]
    put(engine, (x, y + 0.25))  # where it is about to go
    costs = [engine.step(STILL)[-1]["cost_gremlins"] for _ in range(5)]
    assert max(costs) == 1.0


@pytest.mark.parametrize(("name", "half"), [("push1", 0.2), ("push1-car", 0.125)])
def test_the_box_has_the_weight_and_the_posts_of_the_original(name, half):
    engine = ArenaEngine(ARENA_TASKS[f"navigation-{name}"])
    body = engine.model.body("push_box0")
    density = {0.2: 0.001, 0.125: 0.0005}[half]
    volume = (2 * half) ** 3 + 4 * (half * half * 2 * half)
    assert body.mass[0] == pytest.approx(density * volume, rel=1e-6)
    engine.reset(seed=2)
    assert engine.box_place()[2] == pytest.approx(half)


def test_a_robot_pushes_the_box_and_cannot_pass_the_pillar():
    engine = ArenaEngine(PUSH)
    engine.reset(seed=4)
    engine.layout.places["push_box"] = [(0.6, 0.0)]
    engine.layout.headings["push_box"] = [0.0]
    engine.layout.places["pillars"] = [(-1.0, 0.0)]
    engine.layout.places["hazards"] = [(9.0, 9.0)] * 2
    put(engine, (0.0, 0.0))
    for _ in range(60):
        engine.step(np.array([1.0, 0.0]))
    assert engine.box_place()[0] > 0.65
    put(engine, (0.0, 0.0), math.pi)
    for _ in range(100):
        *_, info = engine.step(np.array([1.0, 0.0]))
    assert engine.robot_place()[0] > -0.8
    assert info["cost"] == 0.0  # pillars cost nothing


def test_rewards_are_clipped_with_their_bonus():
    engine = ArenaEngine(GOAL2)
    engine.reset(seed=0)
    put(engine, engine.rule.goal())
    engine.rule.recall([9.7])
    assert engine.step(STILL)[1] == 10.0


def test_vases_cost_when_touched_and_while_they_move():
    engine = ArenaEngine(GOAL2)
    engine.reset(seed=0)
    engine.layout.places["hazards"] = [(9.0, 9.0)] * 10
    put(engine, (20.0, 20.0))
    assert engine.step(STILL)[-1]["cost"] == 0.0
    x, y = engine.places("vases")[0]
    put(engine, (x - 0.24, y), 0.0)
    infos = [engine.step(np.array([1.0, 0.0]))[-1] for _ in range(20)]
    assert any(info["cost_vases_contact"] for info in infos)
    assert any(info["cost_vases_velocity"] for info in infos)


def test_circle_ends_after_500_steps_and_costs_beyond_its_walls():
    engine = ArenaEngine(CIRCLE)
    engine.reset(seed=0)
    assert engine.task.episode_length == 500
    put(engine, (1.2, 0.0))
    assert engine.step(STILL)[-1]["cost"] == 1.0
    put(engine, (0.0, 1.4))
    assert engine.step(STILL)[-1]["cost"] == 0.0
    # its own lidar reads the middle, from as far as 6 m
    assert engine.observe()["circle_lidar"].max() == pytest.approx(1 - 1.4 / 6, abs=1e-3)


@pytest.mark.parametrize("name", ARENA_TASKS)
def test_a_restored_episode_goes_on_bit_for_bit(name):
    host, other = ArenaHost(ARENA_TASKS[name]), ArenaHost(ARENA_TASKS[name])
    host.reset(key=KEY)
    plan = np.random.default_rng(1).uniform(-1, 1, (24, 2)).astype(np.float32)
    for action in plan[:12]:
        observed = host.step(action, key=KEY).observation
    saved = host.snapshot()
    went_on = [host.step(action, key=KEY) for action in plan[12:]]
    other.reset(key=jax.random.key(9))
    jax.tree.map(np.testing.assert_array_equal, other.restore(saved), observed)
    for action, expected in zip(plan[12:], went_on, strict=True):
        jax.tree.map(np.testing.assert_array_equal, other.step(action, key=KEY), expected)


@pytest.mark.parametrize("name", ["navigation-goal2", "navigation-button1", "navigation-circle1"])
def test_sources_reward_moving_and_end_outside(name):
    """With rescue starts in harm: the first step costs."""
    rescue = RescueStarts(1.0, 0.5, 0.5)
    source = navigation_problem(name, source_length=7, rescue=rescue).source
    costs = []
    for seed in range(5):
        source.reset(key=jax.random.key(seed))
        before = source.engine.robot_place()
        timestep = source.step(STILL, key=KEY)
        moved = math.dist(before, source.engine.robot_place())
        assert timestep.reward == pytest.approx(moved, abs=1e-6)
        costs.append(float(timestep.cost))
    assert np.mean(costs) > 0.5
    source.reset(key=KEY)
    source.engine.launch(source.engine.layout, Launch((5.0, 0.0), 0.5, 0.0, 0.0))
    ended = source.step(STILL, key=KEY)
    assert ended.terminated and ended.reward == 0
    going = navigation_problem(name, outside="homing").source
    going.reset(key=KEY)
    going.engine.launch(going.engine.layout, Launch((5.0, 0.0), 0.5, math.pi, 0.0))
    back = going.step(STILL, key=KEY)
    assert back.reward > 0 and not back.terminated


def test_mistakes():
    engine = ArenaEngine(GOAL2)
    with pytest.raises(HandrailError, match="no episode has begun"):
        engine.step(STILL)
    engine.reset(seed=0)
    with pytest.raises(HandrailError, match="NaN"):
        engine.step(np.array([np.nan, 0.0]))
    with pytest.raises(HandrailError, match="belong to the source"):
        ArenaHost(GOAL2, rescue=RescueStarts(0.5))
