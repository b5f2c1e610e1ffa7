"""The navigation tasks on MuJoCo: Safety Gym's steps, from SaGui's configurations.

A `gymnasium.Env` with `info["cost"]`. From a seed, layouts, resets and steps are those of
Safety Gym's engine on the same version of MuJoCo, bit for bit.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.engine import AbstractRobotEngine, Parts
from handrail.envs.navigation.layouts import Layout, Point, draw_goal, hazard_depth, sample_layout
from handrail.envs.navigation.lidar import lidar
from handrail.envs.navigation.models import VASE_SINK, build_model
from handrail.envs.navigation.tasks import GOAL_BONUS, GOAL_RADIUS, NavigationTask
from handrail.envs.navigation.vases import Vase, let_rest, put_to_sleep, sleepers

MOVING = 1e-4  # m/s; a slower vase is at rest


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


class MujocoNavigation(AbstractRobotEngine):
    """One robot in one navigation task.

    `reset(seed=s)` begins the episode of seed `s + 1`, and each further reset that of the next
    seed. `info` of a reset has the `seed` and `redraws`, the seeds whose start costs.

    With `resting`, vases that stand still are not simulated until they are touched. A step of the
    car then takes half of the time, and ends within 1e-6 of where it would have otherwise.
    """

    def __init__(
        self, task: NavigationTask, render_mode: str | None = None, *, resting: bool = False
    ):
        model = build_model(task)
        if resting:
            let_rest(import_mujoco(), model)
        super().__init__(task, model, render_mode)
        data = self.data
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
        self._seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1)

    # --- episodes ---------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begins an episode; gives the observation and `info` with `seed` and `redraws`."""
        if seed is not None:
            self._seed = int(seed)

        def arrange_next() -> None:
            self._seed += 1
            self.arrange(sample_layout(self.task, self._seed))

        redraws = self._begin(arrange_next)
        return self.observe(), {"seed": self._seed, "redraws": redraws}

    def _simulate(self) -> None:
        self.layout.draws.random_sample()  # the original draws its number of substeps: always 10
        super()._simulate()

    def _reward(self, before: Point) -> tuple[float, bool, bool]:
        (x, y), (new_x, new_y) = before, self.robot_place()
        if self._goal is None:
            moved = math.sqrt((new_x - x) ** 2 + (new_y - y) ** 2)
            return *self._moved(before, moved), False
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

    def _cost_parts(self) -> dict[str, float]:
        """Depth in hazards (m), touches, speed of vases (m/s)."""
        hazards = self.task.hazards
        parts = {"hazards": hazard_depth(self.robot_place(), self.layout.hazards, hazards.size)}
        if self.task.vases_cost:
            speeds = [vase.speed() for vase in self._vases]
            parts["vases_contact"] = float(self.touches())
            parts["vases_velocity"] = sum(speed for speed in speeds if speed >= MOVING)
        return parts

    def touches(self) -> bool:
        """Whether the robot touches a vase, now."""
        if not self.data.ncon:
            return False
        return bool(np.any(self._kinds[self.data.contact.geom].sum(axis=1) == 3))

    def observe(self) -> Parts:
        flat = np.empty(self._size)
        for name, begin, end, values in self._sensors:
            if name == "ballquat_rear":
                self._mujoco.mju_quat2Mat(flat[begin:end], values)
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

    def arrange(self, layout: Layout) -> None:
        """Puts robot and vases where the layout says, at rest, and the goal."""
        model, data = self.model, self.data
        self._put_robot(layout)
        for vase, place, angle in zip(self._vases, layout.vases, layout.vase_headings, strict=True):
            height = self.task.vases.size - VASE_SINK
            rotation = [math.cos(angle / 2), 0.0, 0.0, math.sin(angle / 2)]
            model.qpos0[vase.qpos_at : vase.qpos_at + 7] = [*place, height, *rotation]
        # what the compiler derives from the initial configuration
        self._mujoco.mj_setConst(model, data)
        self._mujoco.mj_resetData(model, data)
        self.forward()
        self._goal: Point | None = None
        self._distance = 0.0
        if layout.goal is not None:
            self._set_goal(layout.goal)

    def _set_goal(self, goal: Point) -> None:
        x, y = self.robot_place()
        self._goal = goal
        self._distance = math.sqrt((goal[0] - x) ** 2 + (goal[1] - y) ** 2)

    def snapshot(self) -> Snapshot:
        """The episode as it is now, to go on from later (see `restore`)."""
        data, layout = self.data, self.layout
        arrays = (data.qpos, data.qvel, data.qacc_warmstart, data.ctrl)
        draws = layout.draws.get_state()
        copies = [array.copy() for array in arrays]
        counts = (self._seed, self.steps)
        return Snapshot(layout, draws, self._goal, *counts, *copies, asleep=sleepers(data))

    def restore(self, snapshot: Snapshot) -> Parts:
        """Goes back to a snapshot, and gives its observation."""
        draws = np.random.RandomState()
        draws.set_state(snapshot.draws)
        data = self.data
        self.arrange(dataclasses.replace(snapshot.layout, draws=draws))
        data.qpos[:], data.qvel[:], data.ctrl[:] = snapshot.qpos, snapshot.qvel, snapshot.ctrl
        data.qacc_warmstart[:] = snapshot.warmstart
        self.forward()
        data.qacc_warmstart[:] = snapshot.warmstart
        if put_to_sleep(data, snapshot.asleep):
            self.forward()
            data.qacc_warmstart[:] = snapshot.warmstart
        self._seed, self.steps = snapshot.seed, snapshot.steps
        if snapshot.goal is not None:
            self._set_goal(snapshot.goal)
        return self.observe()

    # --- pictures ---------------------------------------------------------------------------

    def scene(self):
        from handrail.envs.navigation.drawing import Scene

        layout = self.layout
        return Scene(
            extent=self.task.extent,
            robot=self._place[:2].copy(),
            heading=self.robot_heading(),
            hazards=np.reshape(layout.hazards, (-1, 2)),
            hazard_size=self.task.hazards.size,
            vases=np.reshape([vase.place() for vase in self._vases], (-1, 2)),
            vase_headings=np.array([vase.heading() for vase in self._vases]),
            vase_size=self.task.vases.size,
            goal=None if self._goal is None else np.array(self._goal),
        )
