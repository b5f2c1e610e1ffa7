"""Layouts, observations and rules of Safety-Gymnasium's tasks, against recordings of it."""

import math
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from handrail.core.errors import UnknownName
from handrail.envs.navigation.problems import task_of
from handrail.envs.safety_gymnasium import costs
from handrail.envs.safety_gymnasium.rules import CircleRule, GoalRule, PushRule
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS
from tests.support import data, part

pytest.importorskip("mujoco")
from handrail.envs.safety_gymnasium.engine import ArenaEngine

RECORDED = {
    "PointGoal2": "navigation-goal2",
    "PointButton1": "navigation-button1",
    "PointPush1": "navigation-push1",
    "CarPush1": "navigation-push1-car",
    "PointCircle1": "navigation-circle1",
}
SIZES = {"goal2": 60, "button1": 76, "push1": 76, "circle1": 28}
GOAL2, PUSH1 = ARENA_TASKS["navigation-goal2"], ARENA_TASKS["navigation-push1"]


@pytest.mark.parametrize("name", RECORDED)
def test_layouts_are_those_of_the_original_bit_for_bit(name):
    """Places, angles, and the goal that is drawn again, or the button that is chosen."""
    rows = part(data("safety-gymnasium"), f"layout/{name}")
    engine = ArenaEngine(ARENA_TASKS[RECORDED[name]])
    movable = np.array([not label.startswith("goal") for label in rows["names"]])
    for row, seed in enumerate(data("safety-gymnasium")["layout/seeds"]):
        _, info = engine.reset(seed=int(seed))
        assert info["redraws"] == 0
        layout = engine.layout
        places = np.array([layout.robot, *chain(*layout.places.values())])
        headings = [layout.robot_heading, *chain(*layout.headings.values())]
        np.testing.assert_array_equal(places[movable], rows["xy"][row][movable])
        np.testing.assert_array_equal(headings, rows["rot"][row])
        if "goal_after_update_world" in rows:
            expected = rows["goal_after_update_world"][row]
            np.testing.assert_array_equal(engine.rule.goal(), expected[:2])
            if name == "PointButton1":
                assert engine.rule.button == expected[2]


def test_resets_without_a_seed_go_on_with_the_generator():
    engine, other = ArenaEngine(GOAL2), ArenaEngine(GOAL2)
    engine.reset(seed=5)
    engine.reset()
    other.reset(seed=5)
    first = other.layout.robot
    other.reset()
    assert engine.layout.robot == other.layout.robot != first


def test_parts_are_in_the_originals_order_and_of_its_sizes():
    for name, task in ARENA_TASKS.items():
        short = name.removeprefix("navigation-").removesuffix("-car")
        size = sum(math.prod(shape) for shape in task.parts.values())
        assert size == SIZES[short] + 12 * (task.robot == "car")
        assert task.limit == 25.0
        assert task_of(name) is task
    assert list(ARENA_TASKS["navigation-button1-car"].parts) == [
        "accelerometer", "velocimeter", "gyro", "magnetometer", "ballangvel_rear", "ballquat_rear",
        "buttons_lidar", "goal_lidar", "hazards_lidar", "gremlins_lidar",
    ]  # fmt: skip
    assert set(GOAL2.parts) - set(GOAL2.source.parts) == {"goal_lidar"}
    with pytest.raises(UnknownName, match="did you mean 'navigation-goal2'"):
        task_of("navigation-gaol2")


def recorded():
    return part(data("safety-gymnasium"), "nav")


def test_hazards_and_walls_cost_as_recorded():
    rows = recorded()
    places = [(float(x), float(y)) for x, y, _ in rows["hazard_pos"]]
    deep, out = [], []
    for x, y, _ in rows["agent_pos"]:
        here = SimpleNamespace(
            task=GOAL2, robot_place=lambda x=x, y=y: (float(x), float(y)), places=lambda k: places
        )
        deep.append(costs.hazards(here)["hazards"])
        out.append(costs.walls(here)["out_of_boundary"] > 0)
    np.testing.assert_allclose(deep, rows["hazards_cost_before_indicator"], atol=1e-12)
    np.testing.assert_array_equal(out, rows["circle1_cost"])


def test_rewards_of_circle_are_as_recorded():
    rows = recorded()
    rewards = [
        CircleRule(
            SimpleNamespace(robot_place=lambda p=p: p[:2], robot_velocity=lambda v=v: v[:2])
        ).progress()
        for p, v in zip(rows["agent_pos"].tolist(), rows["agent_vel"].tolist(), strict=True)
    ]
    np.testing.assert_allclose(rewards, rows["circle_reward"], rtol=1e-9)


class Path:
    """An engine that goes where it was recorded to go, past one goal."""

    def __init__(self, rows, task):
        self.rows, self.task, self.at = rows, task, 0

    def robot_place_3d(self):
        return tuple(self.rows["path_agent"][self.at].tolist())

    def robot_place(self):
        return self.robot_place_3d()[:2]

    def box_place(self):
        return tuple(self.rows["path_box"][self.at].tolist())

    def places(self, kind):
        return [tuple(self.rows["path_goal"][:2].tolist())]


@pytest.mark.parametrize(
    ("rule", "task", "name"), [(GoalRule, GOAL2, "goal"), (PushRule, PUSH1, "push")]
)
def test_rewards_of_goal_and_push_are_as_recorded(rule, task, name):
    """Push measures in space: seen from above, its rewards are others."""
    rows = recorded()
    engine = Path(rows, task)
    asked = rule(engine)
    asked._measure()
    rewards, met = [], []
    for engine.at in range(1, len(rows["path_agent"])):
        rewards.append(asked.progress())
        met.append(asked.achieved())
    ends = rows["push_goal_met" if name == "push" else "goal_met"]
    np.testing.assert_array_equal(met, ends)
    np.testing.assert_allclose(np.add(rewards, met), rows[f"{name}_reward"], atol=1e-12)
    assert 0 < sum(met) < len(met)
