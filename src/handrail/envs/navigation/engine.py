"""What engines on MuJoCo have in common: a robot among objects, stepped and rendered."""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.launching import Launch, set_moving
from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.models import ROBOT_HEIGHT

SUBSTEPS = 10
EXCEPTION_REWARD = -10.0
_REDRAWS = 1000  # layouts to try for a start that does not cost

Parts = dict[str, np.ndarray]


class AbstractRobotEngine(gymnasium.Env, abc.ABC):
    """One robot in one task: a `gymnasium.Env` with `info["cost"]`.

    Observations are dictionaries of float64 parts (`task.parts`), neither scaled nor clipped.
    Actions are two numbers, clipped to [-1, 1]. `info["cost"]` is 0 or 1 per step, undiscounted;
    `info` also holds its parts (`cost_hazards`, …) and `goal_met`. Layouts whose start already
    costs are passed over, which `info["redraws"]` counts: the originals refuse them. Differs from
    them: a simulation that blows up costs 1.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - gymnasium's

    def __init__(self, task: Any, model: Any, render_mode: str | None):
        if render_mode not in (None, "rgb_array"):
            raise HandrailError(f"render_mode {render_mode!r}: expected None or 'rgb_array'")
        self._mujoco = mujoco = import_mujoco()
        self.task, self.render_mode = task, render_mode
        self.metadata = self.metadata | {"render_fps": round(0.1 / task.timestep)}
        self.model = model
        self.data = data = mujoco.MjData(model)
        self._robot = model.body("robot").id
        # Views into the simulator's memory: reading them costs no look-up.
        self._place, self._matrix = data.xpos[self._robot], data.xmat[self._robot]
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float64)
                for name, shape in task.parts.items()
            }
        )
        self.steps = 0
        self._layout: Any = None
        self._renderer: Any = None

    # --- what each engine does in its own way -------------------------------------------------

    @abc.abstractmethod
    def arrange(self, layout: Any) -> None:
        """Puts robot and objects where the layout says, at rest."""

    @abc.abstractmethod
    def observe(self) -> Parts:
        """What the robot senses now."""

    @abc.abstractmethod
    def touches(self) -> bool:
        """Whether the robot touches something that it can bump into, now."""

    @abc.abstractmethod
    def scene(self) -> Any:
        """What there is to see from above (`handrail.envs.navigation.drawing.Scene`)."""

    @abc.abstractmethod
    def _cost_parts(self) -> dict[str, float]:
        """The raw parts of the cost, each of which counts where it is above 0."""

    @abc.abstractmethod
    def _reward(self, before: Point) -> tuple[float, bool, bool]:
        """Reward, end of the task and whether the goal was met, having come from `before`."""

    # --- where things are ---------------------------------------------------------------------

    @property
    def layout(self) -> Any:
        """Where things began in this episode; raises `HandrailError` before the first."""
        if self._layout is None:
            raise HandrailError("no episode has begun: call reset() first")
        return self._layout

    def robot_place(self) -> Point:
        """Where the robot is on the plane (m)."""
        x, y, _ = self._place.tolist()
        return x, y

    def robot_heading(self) -> float:
        """Where it drives to (rad): the car along its -y axis, the point along its x axis."""
        matrix = self._matrix
        nose = (-matrix[4], -matrix[1]) if self.task.robot == "car" else (matrix[3], matrix[0])
        return math.atan2(*nose)

    def launch(self, layout: Any, launch: Launch) -> Parts:
        """Begins an episode in a layout, but for the robot's place, already moving; gives the
        observation.
        """
        self.arrange(dataclasses.replace(layout, robot=launch.place))
        set_moving(self.data, self.task.robot, layout.robot_heading, launch)
        self.forward()
        return self.observe()

    def forward(self) -> None:
        """Computes what follows from places and velocities that were set."""
        self._mujoco.mj_forward(self.model, self.data)

    def _put_robot(self, layout: Any) -> None:
        """In the model's initial configuration, which is then that of a new episode."""
        self._layout, self.steps = layout, 0
        half = layout.robot_heading / 2
        pose = [*layout.robot, ROBOT_HEIGHT, math.cos(half), 0.0, 0.0, math.sin(half)]
        self.model.body_pos[self._robot], self.model.body_quat[self._robot] = pose[:3], pose[3:]
        if self.task.robot == "car":
            self.model.qpos0[:7] = pose

    # --- episodes -----------------------------------------------------------------------------

    def _begin(self, arrange_next: Callable[[], object]) -> int:
        """Begins in the next layout that costs nothing; gives how many were passed over."""
        for redraws in range(_REDRAWS):
            arrange_next()
            if not any(self._cost_parts().values()):
                return redraws
        raise HandrailError(
            f"task {self.task.name!r}: {_REDRAWS} layouts in a row cost at their start; "
            "give the robot a larger keepout"
        )

    def step(self, action):
        """One step of ten substeps: observation, reward, terminated, truncated, info."""
        _ = self.layout
        first, second = float(action[0]), float(action[1])
        if first != first or second != second:
            raise HandrailError(f"action {action}: a number is NaN; has the policy diverged?")
        data, task = self.data, self.task
        data.ctrl[0] = min(max(first, -1.0), 1.0)
        data.ctrl[1] = min(max(second, -1.0), 1.0)
        start, before = data.time, self.robot_place()
        self._simulate()
        self.steps += 1
        truncated = self.steps >= task.episode_length
        if data.time < start + (SUBSTEPS - 0.5) * task.timestep:  # it blew up and began anew
            info = {"cost": 1.0, "cost_exception": 1.0, "goal_met": False}
            return self.observe(), EXCEPTION_REWARD, True, truncated, info
        costs = self._cost_parts()
        info: dict[str, Any] = {"cost": float(any(raw > 0 for raw in costs.values()))}
        info |= {f"cost_{name}": float(raw > 0) for name, raw in costs.items()}
        reward, terminated, info["goal_met"] = self._reward(before)
        return self.observe(), reward, terminated, truncated, info

    def _simulate(self) -> None:
        self._mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self.forward()

    def _moved(self, before: Point, distance: float) -> tuple[float, bool]:
        """The guide's reward, the distance moved within the extents; and whether leaving them ends
        the episode.
        """
        extent = self.task.extent
        if max(map(abs, before)) <= extent:
            return distance, False
        homing = self.task.outside == "homing"
        back = beyond(before, extent) - beyond(self.robot_place(), extent) if homing else 0.0
        return back, self.task.outside == "ends"

    # --- pictures -----------------------------------------------------------------------------

    def render(self):
        """A frame in colour, uint8 (height, width, 3), rendered by MuJoCo without a screen."""
        from handrail.envs.navigation.rendering import FrameRenderer

        if self._renderer is None:
            self._renderer = FrameRenderer(self)
        return self._renderer()

    def close(self) -> None:
        """Frees the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def beyond(place: Point, extent: float) -> float:
    """How far a place is outside the extents (m)."""
    x, y = place
    return math.hypot(max(abs(x) - extent, 0.0), max(abs(y) - extent, 0.0))
