"""Recorded states of a navigation task as MuJoCo renders them, also those of compiled physics."""

import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handrail.envs.navigation.launching import Launch
from handrail.envs.navigation.layouts import Layout, Point
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.problems import task_of
from handrail.envs.navigation.rendering import FrameRenderer
from handrail.envs.safety_gymnasium.engine import ArenaEngine
from handrail.envs.safety_gymnasium.tasks import ArenaTask


def replayed(
    name: str, states: Mapping[str, np.ndarray], scene: Mapping[str, Any], *, size: int, camera: str
) -> Callable[[int], np.ndarray]:
    """What a camera of `FrameRenderer` sees in the state of a number, uint8 (size, size, 3).

    `states` has a row a state: `robot` (x, y, heading), `goal`, and `vases` (x, y, heading) if
    there are any; `scene` is what does not move, as episodes record it. Raises `HandrailError`
    where there are no graphics.
    """
    if "mujoco" not in sys.modules and sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is imported
    task = task_of(name)
    engine = ArenaEngine(task) if isinstance(task, ArenaTask) else MujocoNavigation(task)
    renderer = FrameRenderer(engine, size, camera)
    hazards = [(u, v) for u, v in scene["hazards"]]

    def frame(number: int) -> np.ndarray:
        x, y, heading = states["robot"][number].tolist()
        to_x, to_y = states["goal"][number].tolist()
        goal = None if math.isnan(to_x) or math.isnan(to_y) else (to_x, to_y)
        vases = states["vases"][number].tolist() if "vases" in states else []
        if isinstance(engine, ArenaEngine):
            engine.show((x, y, heading), goal, vases, hazards, scene.get("discs", []))
        else:
            _show(engine, (x, y, heading), goal, vases, hazards)
        return renderer()

    return frame


def _show(engine: MujocoNavigation, robot, goal: Point | None, vases, hazards) -> None:
    x, y, heading = robot
    # the car drives along its -y axis, the point along its x axis
    axis = math.pi / 2 if engine.task.robot == "car" else 0.0
    layout = Layout(
        robot=(x, y),
        robot_heading=heading + axis,
        hazards=hazards,
        vases=[(u, v) for u, v, _ in vases],
        vase_headings=[turn for _, _, turn in vases],
        goal=goal,
        discarded_goal=None,
        draws=np.random.RandomState(0),
    )
    engine.launch(layout, Launch((x, y), 0.0, 0.0, 0.0))
