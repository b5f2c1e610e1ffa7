"""Recorded states of a navigation task as MuJoCo renders them, also those of compiled physics."""

import math
import os
import sys
from collections.abc import Callable, Mapping

import numpy as np

from handrail.envs.navigation.layouts import Layout
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.rendering import FrameRenderer
from handrail.envs.navigation.tasks import navigation_task


def replayed(
    name: str,
    states: Mapping[str, np.ndarray],
    hazards: list[list[float]],
    *,
    size: int,
    camera: str,
) -> Callable[[int], np.ndarray]:
    """What a camera of `FrameRenderer` sees in the state of a number, uint8 (size, size, 3).

    `states` has a row a state: `robot` (x, y, heading), `goal`, and `vases` (x, y, heading) if
    there are any. Raises `HandrailError` where there are no graphics.
    """
    if "mujoco" not in sys.modules and sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo reads it when it is imported
    task = navigation_task(name)
    engine = MujocoNavigation(task)
    renderer = FrameRenderer(engine, size, camera)
    # the car drives along its -y axis, the point along its x axis
    axis = math.pi / 2 if task.robot == "car" else 0.0

    def frame(number: int) -> np.ndarray:
        x, y, heading = states["robot"][number].tolist()
        goal = states["goal"][number].tolist()
        vases = states["vases"][number].tolist() if "vases" in states else []
        layout = Layout(
            robot=(x, y),
            robot_heading=heading + axis,
            hazards=[(u, v) for u, v in hazards],
            vases=[(u, v) for u, v, _ in vases],
            vase_headings=[turn for _, _, turn in vases],
            goal=None if any(map(math.isnan, goal)) else (goal[0], goal[1]),
            discarded_goal=None,
            draws=np.random.RandomState(0),
        )
        engine.launch(layout, speed=0.0, course=0.0, turn_rate=0.0)
        return renderer()

    return frame
