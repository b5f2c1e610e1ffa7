"""Safety-Gymnasium's steps on MuJoCo: a `gymnasium.Env` with `info["cost"]`."""

import math
from collections.abc import Sequence

import numpy as np

from handrail.envs.mujoco import import_mujoco
from handrail.envs.navigation.engine import SUBSTEPS, AbstractRobotEngine, Parts
from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.lidar import lidar
from handrail.envs.navigation.models import world_xml
from handrail.envs.safety_gymnasium.layouts import ArenaLayout, draw_layout
from handrail.envs.safety_gymnasium.rules import GOAL_BONUS
from handrail.envs.safety_gymnasium.solids import Solids
from handrail.envs.safety_gymnasium.tasks import ArenaTask

HIGHEST_REWARD = 10.0


class ArenaEngine(AbstractRobotEngine):
    """One robot in one task.

    `reset(seed=s)` begins the generator anew, further resets go on with it.
    """

    def __init__(self, task: ArenaTask, render_mode: str | None = None):
        model = import_mujoco().MjModel.from_xml_string(
            world_xml(task.name, task.robot, task.timestep, task.extent, *Solids.xml(task))
        )
        super().__init__(task, model, render_mode)
        self.solids = Solids(model, self.data, task)
        self._sensors = [(name, self.data.sensor(name).data) for name in task.sensors]
        self.draws = np.random.RandomState()
        self.rule = task.rule(self)

    # --- what rules and costs ask -----------------------------------------------------------

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

    def touches(self) -> bool:
        return self.solids.touches()

    # --- episodes ---------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Begins an episode; gives the observation and `info` with `redraws`."""
        if seed is not None:
            self.draws = np.random.RandomState(seed)

        def arrange_next() -> None:
            self.arrange(draw_layout(self.task, self.draws))
            self.rule.begin()

        redraws = self._begin(arrange_next)
        return self.observe(), {"redraws": redraws}

    def _reward(self, before: Point) -> tuple[float, bool, bool]:
        reward, met = self.rule.progress(), self.rule.achieved()
        reward = max(-HIGHEST_REWARD, min(HIGHEST_REWARD, reward + GOAL_BONUS * met))
        self.rule.tick()
        terminated = met and not self.rule.renew()
        if self.task.side == "source":
            reward, left = self._moved(before, math.dist(before, self.robot_place()))
            terminated = terminated or left
        return reward, terminated, met

    def _simulate(self) -> None:
        if not self.solids.pulled:
            super()._simulate()
            return
        for _ in range(SUBSTEPS):
            self.solids.pull()
            self._mujoco.mj_step(self.model, self.data)
        self.forward()

    def _cost_parts(self) -> dict[str, float]:
        return {name: raw for rule in self.task.costs for name, raw in rule(self).items()}

    def observe(self) -> Parts:
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
        self._put_robot(layout)
        self.solids.arrange(layout.places, layout.headings)
        self._mujoco.mj_setConst(self.model, self.data)
        self.solids.hang(layout.places)
        self._mujoco.mj_resetData(self.model, self.data)
        self.forward()

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
        from handrail.envs.navigation.drawing import Scene

        hazards, goal = self.task.group("hazards"), self.rule.goal()
        marker = self.task.group("goal")
        movable, circle = self.task.movable, self.task.group("circle")
        return Scene(
            extent=self.task.extent,
            robot=self._place[:2].copy(),
            heading=self.robot_heading(),
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
