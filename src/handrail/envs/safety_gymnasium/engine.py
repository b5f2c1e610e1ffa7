"""Safety-Gymnasium's steps on MuJoCo: a `gymnasium.Env` with `info["cost"]`."""

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.lidar import lidar
from handrail.envs.navigation.models import ROBOT_HEIGHT, world_xml
from handrail.envs.safety_gymnasium.layouts import ArenaLayout, draw_layout
from handrail.envs.safety_gymnasium.rules import GOAL_BONUS
from handrail.envs.safety_gymnasium.solids import Solids
from handrail.envs.safety_gymnasium.tasks import ArenaTask

SUBSTEPS = 10
HIGHEST_REWARD = 10.0
EXCEPTION_REWARD = -10.0
_REDRAWS = 1000  # layouts to try for a start that does not cost


class ArenaEngine(gymnasium.Env):
    """One robot in one task.

    Observations are dictionaries of float64 parts (`task.parts`), neither scaled nor clipped.
    Actions are two numbers, clipped to [-1, 1]. `info["cost"]` is 0 or 1 per step, undiscounted;
    `info` also holds its parts (`cost_hazards`, …) and `goal_met`.

    `reset(seed=s)` begins the generator anew, further resets go on with it. Layouts whose start
    already costs are passed over, which `info["redraws"]` counts: the original refuses them.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - gymnasium's

    def __init__(self, task: ArenaTask, render_mode: str | None = None):
        if render_mode not in (None, "rgb_array"):
            raise HandrailError(f"render_mode {render_mode!r}: expected None or 'rgb_array'")
        self._mujoco = mujoco = import_mujoco()
        self.task, self.render_mode = task, render_mode
        self.metadata = self.metadata | {"render_fps": round(0.1 / task.timestep)}
        self.model = mujoco.MjModel.from_xml_string(
            world_xml(task.name, task.robot, task.timestep, task.extent, *Solids.xml(task))
        )
        self.data = data = mujoco.MjData(self.model)
        self._robot = self.model.body("robot").id
        # Views into the simulator's memory: reading them costs no look-up.
        self._place, self._matrix = data.xpos[self._robot], data.xmat[self._robot]
        self.solids = Solids(self.model, data, task)
        self._sensors = [(name, data.sensor(name).data) for name in task.sensors]
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float64)
                for name, shape in task.parts.items()
            }
        )
        self.draws = np.random.RandomState()
        self.rule = task.rule(self)
        self.steps = 0
        self._layout: ArenaLayout | None = None
        self._renderer: Any = None

    # --- what rules and costs ask -----------------------------------------------------------

    @property
    def layout(self) -> ArenaLayout:
        """Where things began in this episode; raises `HandrailError` before the first."""
        if self._layout is None:
            raise HandrailError("no episode has begun: call reset() first")
        return self._layout

    def robot_place(self) -> Point:
        """Where the robot is on the plane (m)."""
        x, y, _ = self._place.tolist()
        return x, y

    def robot_place_3d(self) -> tuple[float, float, float]:
        """Where the robot's origin is (m)."""
        x, y, z = self._place.tolist()
        return x, y, z

    def robot_velocity(self) -> Point:
        """How the robot's origin moves in the world (m/s)."""
        found, kind = np.empty(6), self._mujoco.mjtObj.mjOBJ_BODY
        self._mujoco.mj_objectVelocity(self.model, self.data, kind, self._robot, found, 0)
        return float(found[3]), float(found[4])

    def box_place(self) -> tuple[float, float, float]:
        """Where the middle of the box to be pushed is (m)."""
        return self.solids.place_3d("push_box")

    def places(self, kind: str) -> list[Point]:
        """Where the objects of a kind are now (m)."""
        return self.solids.places(kind) or self.layout.places[kind]

    def speeds(self, kind: str) -> list[float]:
        """How fast the centres of movable objects are (m/s)."""
        return self.solids.speeds(kind)

    def touched(self, kind: str) -> np.ndarray:
        """Which objects of a kind the robot touches, bool (count,)."""
        return self.solids.touched(kind)

    # --- episodes ---------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begins an episode; gives the observation and `info` with `redraws`."""
        if seed is not None:
            self.draws = np.random.RandomState(seed)
        for redraws in range(_REDRAWS):
            self.arrange(draw_layout(self.task, self.draws))
            self.rule.begin()
            if not any(self._cost_parts().values()):
                return self.observe(), {"redraws": redraws}
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
        reward, met = self.rule.progress(), self.rule.achieved()
        reward = max(-HIGHEST_REWARD, min(HIGHEST_REWARD, reward + GOAL_BONUS * met))
        costs = self._cost_parts()
        info: dict[str, Any] = {"cost": float(any(raw > 0 for raw in costs.values()))}
        info |= {f"cost_{name}": float(raw > 0) for name, raw in costs.items()}
        info["goal_met"] = met
        self.rule.tick()
        terminated = met and not self.rule.renew()
        if task.side == "source":
            reward, left = self._moved(before)
            terminated = terminated or left
        return self.observe(), reward, terminated, truncated, info

    def _simulate(self) -> None:
        if self.solids.pulled:
            for _ in range(SUBSTEPS):
                self.solids.pull()
                self._mujoco.mj_step(self.model, self.data)
        else:
            self._mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self._mujoco.mj_forward(self.model, self.data)

    def _moved(self, before: Point) -> tuple[float, bool]:
        """The guide's reward, as in the other navigation tasks: the distance moved, within the
        extents; and whether leaving them ends the episode.
        """
        after, extent = self.robot_place(), self.task.extent
        if max(map(abs, before)) <= extent:
            return math.dist(before, after), False
        homing = self.task.outside == "homing"
        back = beyond(before, extent) - beyond(after, extent) if homing else 0.0
        return back, self.task.outside == "ends"

    def _cost_parts(self) -> dict[str, float]:
        """The raw parts of the cost."""
        return {name: raw for rule in self.task.costs for name, raw in rule(self).items()}

    def observe(self) -> dict[str, np.ndarray]:
        """What the robot senses now."""
        parts: dict[str, np.ndarray] = {}
        for name, values in self._sensors:
            parts[name] = values.copy()
            if name == "ballquat_rear":
                matrix = np.empty(9)
                self._mujoco.mju_quat2Mat(matrix, values)
                parts[name] = matrix.reshape(3, 3)
        origin, rotation = self._place.tolist(), self._matrix.tolist()
        for kind in self.task.seen:
            shown = self.rule.shown(kind)
            read = lidar(origin, rotation, shown, self.task.lidar_range)
            parts[f"{kind}_lidar"] = np.array(read)
        return parts

    def arrange(self, layout: ArenaLayout) -> None:
        """Puts robot and objects where the layout says, at rest."""
        model, data = self.model, self.data
        self._layout, self.steps = layout, 0
        half = layout.robot_heading / 2
        pose = [*layout.robot, ROBOT_HEIGHT, math.cos(half), 0.0, 0.0, math.sin(half)]
        model.body_pos[self._robot], model.body_quat[self._robot] = pose[:3], pose[3:]
        if self.task.robot == "car":
            model.qpos0[:7] = pose
        self.solids.arrange(layout.places, layout.headings)
        self._mujoco.mj_setConst(model, data)
        self.solids.hang(layout.places)
        self._mujoco.mj_resetData(model, data)
        self._mujoco.mj_forward(model, data)

    def forward(self) -> None:
        """Computes what follows from places and velocities that were set."""
        self._mujoco.mj_forward(self.model, self.data)

    def show(
        self,
        robot: tuple[float, float, float],
        goal: Point | None,
        movable: list[list[float]],
        hazards: list[Point],
        discs: list[list[float]],
    ) -> None:
        """Arranges a recorded state for a picture: x, y and heading of the robot and of what can be
        moved, x, y and radius of what stands, in the order of the task's objects.
        """
        task, places, headings = self.task, {}, {}
        left = iter(discs)
        for group in task.groups:
            rows: Sequence[Sequence[float]] = movable if group.free else ()
            if group in task.standing:
                rows = [next(left) for _ in range(group.count)]
            if group.kind == "hazards":
                rows = hazards
            places[group.kind] = [(row[0], row[1]) for row in rows] or list(group.at)
            turns = [turn for _, _, turn in movable] if group.free else [0.0] * len(rows)
            headings[group.kind] = turns
        if goal is not None:
            places["goal"] = [goal]
        # the car drives along its -y axis, the point along its x axis
        turn = robot[2] + (math.pi / 2 if task.robot == "car" else 0.0)
        self.arrange(ArenaLayout((robot[0], robot[1]), turn, places, headings))
        self.rule.show(goal)

    def physics(self) -> np.ndarray:
        """The simulator's state, which the rest of the episode follows from in one layout."""
        whole = self._mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self._mujoco.mj_stateSize(self.model, whole))
        self._mujoco.mj_getState(self.model, self.data, state, whole)
        return state

    def go_back(self, state: np.ndarray) -> None:
        """To what `physics` gave in an equal layout."""
        whole = self._mujoco.mjtState.mjSTATE_INTEGRATION
        self._mujoco.mj_setState(self.model, self.data, state, whole)
        self.forward()
        self._mujoco.mj_setState(self.model, self.data, state, whole)

    # --- pictures ---------------------------------------------------------------------------

    def scene(self):
        """What there is to see from above (`handrail.envs.navigation.drawing.Scene`)."""
        from handrail.envs.navigation.drawing import Scene

        matrix, hazards, goal = self._matrix, self.task.group("hazards"), self.rule.goal()
        marker = self.task.group("goal")
        # The car drives along its -y axis, the point along its x axis.
        nose = (-matrix[4], -matrix[1]) if self.task.robot == "car" else (matrix[3], matrix[0])
        movable, circle = self.task.movable, self.task.group("circle")
        return Scene(
            extent=self.task.extent,
            robot=self._place[:2].copy(),
            heading=math.atan2(*nose),
            hazards=np.reshape(self.layout.places["hazards"] if hazards else (), (-1, 2)),
            hazard_size=hazards.size if hazards else 0.0,
            vases=np.reshape(self.places(movable.kind) if movable else (), (-1, 2)),
            vase_headings=np.array(self.solids.headings(movable.kind) if movable else ()),
            vase_size=movable.size if movable else 0.0,
            goal=None if goal is None else np.array(goal),
            goal_size=0.0 if marker is None else marker.size,
            discs=np.reshape(self._standing(), (-1, 3)),
            walls=np.array([x for x, _ in self.layout.places.get("walls", ())]),
            rings=np.array([circle.size] if circle else ()),
        )

    def _standing(self) -> list[tuple[float, float, float]]:
        """Buttons and pillars: x, y and radius (m)."""
        groups = self.task.standing
        return [(*place, g.size) for g in groups for place in self.layout.places[g.kind]]

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
