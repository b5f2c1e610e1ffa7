"""The navigation tasks on MuJoCo: Safety Gym's steps, from SaGui's configurations.

A `gymnasium.Env` with `info["cost"]`. From a seed, layouts, resets and steps are those of
Safety Gym's engine on the same version of MuJoCo, bit for bit.
"""

import dataclasses
import math
from typing import Any

import gymnasium
import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.launching import Launch, set_moving
from handrail.envs.navigation.layouts import (
    Layout,
    Point,
    draw_goal,
    hazard_depth,
    sample_layout,
)
from handrail.envs.navigation.lidar import lidar
from handrail.envs.navigation.models import VASE_SINK, build_model
from handrail.envs.navigation.tasks import GOAL_BONUS, GOAL_RADIUS, NavigationTask
from handrail.envs.navigation.vases import Vase, let_rest, put_to_sleep, sleepers

SUBSTEPS = 10
MOVING = 1e-4  # m/s; a slower vase is at rest
EXCEPTION_REWARD = -10.0
_REDRAWS = 1000  # seeds to try for a start that does not cost


@dataclasses.dataclass
class Snapshot:
    """Everything that the rest of an episode depends on."""

    layout: Layout
    draws: Any  # of numpy's generator
    goal: Point | None
    seed: int
    steps: int
    qpos: np.ndarray
    qvel: np.ndarray
    warmstart: np.ndarray
    ctrl: np.ndarray
    asleep: np.ndarray  # see `vases.sleepers`


class MujocoNavigation(gymnasium.Env):
    """One robot in one navigation task.

    Observations are dictionaries of float64 parts (`task.parts`), neither scaled nor clipped.
    Actions are two numbers, clipped to [-1, 1]. `info["cost"]` is 0 or 1 per step, undiscounted;
    `info` also holds its parts (`cost_hazards`, …) and `goal_met`.

    `reset(seed=s)` begins the episode of seed `s + 1`, and each further reset that of the next
    seed. Seeds whose start already costs are passed over, which `info["redraws"]` counts:
    Safety Gym refuses them. Differs from Safety Gym: a simulation that blows up costs 1.

    With `resting`, vases that stand still are not simulated until they are touched. A step of the
    car then takes half of the time, and ends within 1e-6 of where it would have otherwise.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - gymnasium's

    def __init__(
        self, task: NavigationTask, render_mode: str | None = None, *, resting: bool = False
    ):
        if render_mode not in (None, "rgb_array"):
            raise HandrailError(f"render_mode {render_mode!r}: expected None or 'rgb_array'")
        mujoco = import_mujoco()
        self.task, self.render_mode = task, render_mode
        self.metadata = self.metadata | {"render_fps": round(0.1 / task.timestep)}
        self.model = model = build_model(task)
        if resting:
            let_rest(mujoco, model)
        self.data = data = mujoco.MjData(model)
        self._mj_step, self._mj_forward = mujoco.mj_step, mujoco.mj_forward
        self._quat_to_matrix = mujoco.mju_quat2Mat
        self._set_const, self._reset_data = mujoco.mj_setConst, mujoco.mj_resetData
        self._robot = model.body("robot").id
        # Views into the simulator's memory: reading them costs no look-up.
        self._place, self._matrix = data.xpos[self._robot], data.xmat[self._robot]
        self._vases = [
            Vase(model, data, model.body(f"vase{index}").id) for index in range(task.vases.count)
        ]
        # 1 for the robot's shapes, 2 for vases, 0 for the floor: a touch of both adds to 3.
        names = [model.geom(index).name for index in range(model.ngeom)]
        self._kinds = np.array(
            [1 * n.startswith("robot") + 2 * n.startswith("vase") for n in names]
        )
        self._slices, size = {}, 0
        for name, shape in task.parts.items():
            self._slices[name] = (size, size + math.prod(shape), shape)
            size += math.prod(shape)
        self._size = size
        self._sensors = [
            (name, *self._slices[name][:2], data.sensor(name).data) for name in task.sensors
        ]
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float64)
                for name, shape in task.parts.items()
            }
        )
        self._seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1)
        self._layout: Layout | None = None
        self._renderer: Any = None

    @property
    def layout(self) -> Layout:
        """Where things began in this episode; raises `HandrailError` before the first."""
        if self._layout is None:
            raise HandrailError("no episode has begun: call reset() first")
        return self._layout

    # --- episodes ---------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begins an episode; gives the observation and `info` with `seed` and `redraws`."""
        if seed is not None:
            self._seed = int(seed)
        for redraws in range(_REDRAWS):
            self._seed += 1
            self._arrange(sample_layout(self.task, self._seed))
            if not any(self._cost_parts().values()):
                return self._observe(), {"seed": self._seed, "redraws": redraws}
        raise HandrailError(
            f"task {self.task.name!r}: {_REDRAWS} layouts in a row cost at their start; "
            "give the robot a larger keepout"
        )

    def step(self, action):
        """One step of ten substeps: observation, reward, terminated, truncated, info."""
        draws = self.layout.draws
        first, second = float(action[0]), float(action[1])
        if first != first or second != second:
            raise HandrailError(f"action {action}: a number is NaN; has the policy diverged?")
        data, task = self.data, self.task
        data.ctrl[0] = min(max(first, -1.0), 1.0)
        data.ctrl[1] = min(max(second, -1.0), 1.0)
        draws.random_sample()  # the original draws its number of substeps: always 10
        start, (x, y, _) = data.time, self._place.tolist()
        self._mj_step(self.model, data, SUBSTEPS)
        self._mj_forward(self.model, data)
        self._steps += 1
        truncated = self._steps >= task.episode_length
        if data.time < start + (SUBSTEPS - 0.5) * task.timestep:  # it blew up and began anew
            info = {"cost": 1.0, "cost_exception": 1.0, "goal_met": False}
            return self._observe(), EXCEPTION_REWARD, True, truncated, info
        costs = self._cost_parts()
        info: dict[str, Any] = {"cost": 1.0 if any(costs.values()) else 0.0}
        for name, raw in costs.items():
            info[f"cost_{name}"] = 1.0 if raw > 0 else 0.0
        reward, terminated, info["goal_met"] = self._reward(x, y)
        return self._observe(), reward, terminated, truncated, info

    def _reward(self, x: float, y: float) -> tuple[float, bool, bool]:
        """Reward, end of the task and whether the goal was met, having come from (x, y)."""
        new_x, new_y, _ = self._place.tolist()
        if self._goal is None:  # the guide's reward: the distance moved, within the extents
            if max(abs(x), abs(y)) <= self.task.extent:
                return math.sqrt((new_x - x) ** 2 + (new_y - y) ** 2), False, False
            homing = self.task.outside == "homing"
            back = self._beyond(x, y) - self._beyond(new_x, new_y) if homing else 0.0
            return back, self.task.outside == "ends", False
        goal_x, goal_y = self._goal
        distance = math.sqrt((goal_x - new_x) ** 2 + (goal_y - new_y) ** 2)
        reward = min(max(self._distance - distance, -10.0), 10.0)
        self._distance = distance
        if distance > GOAL_RADIUS:
            return reward, False, False
        goal = draw_goal(
            self.task,
            self.layout.draws,
            (new_x, new_y),
            self.layout.hazards,
            [vase.place() for vase in self._vases],
        )
        if goal is not None:
            self._set_goal(goal)
        return reward + GOAL_BONUS, goal is None, True

    def _beyond(self, x: float, y: float) -> float:
        """How far a place is outside the extents (m)."""
        extent = self.task.extent
        return math.hypot(max(abs(x) - extent, 0.0), max(abs(y) - extent, 0.0))

    def _cost_parts(self) -> dict[str, float]:
        """The raw parts of the cost: depth in hazards (m), touches, speed of vases (m/s)."""
        x, y, _ = self._place.tolist()
        hazards = self.task.hazards
        parts = {"hazards": hazard_depth((x, y), self.layout.hazards, hazards.size)}
        if self.task.vases_cost:
            speeds = [vase.speed() for vase in self._vases]
            parts["vases_contact"] = float(self.touches())
            parts["vases_velocity"] = sum(speed for speed in speeds if speed >= MOVING)
        return parts

    def touches(self) -> int:
        """How often robot and vases touch, now."""
        if not self.data.ncon:
            return 0
        return int(np.sum(self._kinds[self.data.contact.geom].sum(axis=1) == 3))

    def _observe(self) -> dict[str, np.ndarray]:
        flat = np.empty(self._size)
        for name, begin, end, values in self._sensors:
            if name == "ballquat_rear":
                self._quat_to_matrix(flat[begin:end], values)
            else:
                flat[begin:end] = values
        origin, rotation = self._place.tolist(), self._matrix.tolist()
        for name in self.task.lidars:
            begin, end, _ = self._slices[name]
            flat[begin:end] = lidar(origin, rotation, self._seen(name))
        return {
            name: flat[begin:end] if len(shape) == 1 else flat[begin:end].reshape(shape)
            for name, (begin, end, shape) in self._slices.items()
        }

    def _seen(self, name: str) -> list[Point]:
        if name == "hazards_lidar":
            return self.layout.hazards
        if name == "goal_lidar":
            return [] if self._goal is None else [self._goal]
        return [vase.place() for vase in self._vases]

    # --- places -----------------------------------------------------------------------------

    def _arrange(self, layout: Layout) -> None:
        """Puts robot and vases where the layout says, at rest, and the goal."""
        model, data = self.model, self.data
        self._layout, self._steps = layout, 0
        half = layout.robot_heading / 2
        pose = [*layout.robot, 0.1, math.cos(half), 0.0, 0.0, math.sin(half)]
        model.body_pos[self._robot], model.body_quat[self._robot] = pose[:3], pose[3:]
        if self.task.robot == "car":
            model.qpos0[:7] = pose
        for vase, place, angle in zip(self._vases, layout.vases, layout.vase_headings, strict=True):
            height = self.task.vases.size - VASE_SINK
            rotation = [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]
            model.qpos0[vase.qpos_at : vase.qpos_at + 7] = [*place, height, *rotation]
        self._set_const(model, data)  # what the compiler derives from the initial configuration
        self._reset_data(model, data)
        self._mj_forward(model, data)
        self._goal: Point | None = None
        self._distance = 0.0
        if layout.goal is not None:
            self._set_goal(layout.goal)

    def launch(self, layout: Layout, launch: Launch) -> dict[str, np.ndarray]:
        """Begins an episode in a layout, but for the robot's place, already moving; gives the
        observation.
        """
        self._arrange(dataclasses.replace(layout, robot=launch.place))
        set_moving(self.data, self.task.robot, layout.robot_heading, launch)
        self._mj_forward(self.model, self.data)
        return self._observe()

    def _set_goal(self, goal: Point) -> None:
        x, y, _ = self._place.tolist()
        self._goal = goal
        self._distance = math.sqrt((goal[0] - x) ** 2 + (goal[1] - y) ** 2)

    def snapshot(self) -> Snapshot:
        """The episode as it is now, to go on from later (see `restore`)."""
        data, layout = self.data, self.layout
        arrays = (data.qpos, data.qvel, data.qacc_warmstart, data.ctrl)
        draws = layout.draws.get_state()
        copies = [array.copy() for array in arrays]
        counts = (self._seed, self._steps)
        return Snapshot(layout, draws, self._goal, *counts, *copies, asleep=sleepers(data))

    def restore(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """Goes back to a snapshot, and gives its observation."""
        draws = np.random.RandomState()
        draws.set_state(snapshot.draws)
        data = self.data
        self._arrange(dataclasses.replace(snapshot.layout, draws=draws))
        data.qpos[:], data.qvel[:], data.ctrl[:] = snapshot.qpos, snapshot.qvel, snapshot.ctrl
        data.qacc_warmstart[:] = snapshot.warmstart
        self._mj_forward(self.model, data)
        data.qacc_warmstart[:] = snapshot.warmstart
        if put_to_sleep(data, snapshot.asleep):
            self._mj_forward(self.model, data)
            data.qacc_warmstart[:] = snapshot.warmstart
        self._seed, self._steps = snapshot.seed, snapshot.steps
        if snapshot.goal is not None:
            self._set_goal(snapshot.goal)
        return self._observe()

    # --- pictures ---------------------------------------------------------------------------

    def scene(self):
        """What there is to see from above (`handrail.envs.navigation.drawing.Scene`)."""
        from handrail.envs.navigation.drawing import Scene

        layout, matrix = self.layout, self._matrix
        # The car drives along its -y axis, the point along its x axis.
        nose = (-matrix[4], -matrix[1]) if self.task.robot == "car" else (matrix[3], matrix[0])
        return Scene(
            extent=self.task.extent,
            robot=self._place[:2].copy(),
            heading=math.atan2(*nose),
            hazards=np.reshape(layout.hazards, (-1, 2)),
            hazard_size=self.task.hazards.size,
            vases=np.reshape([vase.place() for vase in self._vases], (-1, 2)),
            vase_headings=np.array([vase.heading() for vase in self._vases]),
            vase_size=self.task.vases.size,
            goal=None if self._goal is None else np.array(self._goal),
        )

    def render(self):
        """A frame in colour, uint8 (height, width, 3), rendered by MuJoCo without a screen."""
        from handrail.envs.navigation.rendering import FrameRenderer

        if self._renderer is None:
            self._renderer = FrameRenderer(self)
        return self._renderer()

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
