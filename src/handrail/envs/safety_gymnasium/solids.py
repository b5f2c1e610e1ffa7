"""What a robot can bump into, in the simulator's arrays: where it is, and who touches whom."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from handrail.envs.navigation.layouts import Point
from handrail.envs.navigation.vases import Vase
from handrail.envs.safety_gymnasium import bodies
from handrail.envs.safety_gymnasium.tasks import ArenaTask

TRAVEL = 0.35  # m: how far gremlins go from their place
PULLED = "gremlins"


class Solids:
    """All objects of a task that are bodies."""

    def __init__(self, model: Any, data: Any, task: ArenaTask):
        self._model, self._data = model, data
        self._groups = {group.kind: group for group in task.groups if group.body is not None}
        self._names = {
            kind: [f"{kind}{number}" for number in range(group.count)]
            for kind, group in self._groups.items()
        }
        self._ids = {
            kind: [model.body(name).id for name in names] for kind, names in self._names.items()
        }
        self._free = {
            kind: [Vase(model, data, body) for body in ids]
            for kind, ids in self._ids.items()
            if self._groups[kind].free
        }
        root = np.asarray(model.body_rootid)
        robot = model.body("robot").id
        self._is_robot = root[np.asarray(model.geom_bodyid)] == robot
        self._body = np.asarray(model.geom_bodyid)
        self.pulled = PULLED in self._groups
        self._welds = [model.equality(name).id for name in self._names.get(PULLED, ())]

    @staticmethod
    def xml(task: ArenaTask) -> tuple[str, str]:
        """MJCF of all bodies, and of what pulls some of them."""
        made, pulling = "", ""
        for group in task.groups:
            if group.body is None:
                continue
            names = [f"{group.kind}{number}" for number in range(group.count)]
            made += "".join(group.body(name, group.size) for name in names)
            if group.kind == PULLED:
                pulling = "".join(map(bodies.gremlin_weld, names))
        return made, pulling

    def arrange(
        self, places: Mapping[str, list[Point]], headings: Mapping[str, list[float]]
    ) -> None:
        """Makes these places the ones of the model's initial configuration."""
        model = self._model
        for kind, group in self._groups.items():
            for number, body in enumerate(self._ids[kind]):
                half = headings[kind][number] / 2
                place = [*places[kind][number], group.height]
                rotation = [math.cos(half), 0.0, 0.0, math.sin(half)]
                if group.free:
                    at = self._free[kind][number].qpos_at
                    model.qpos0[at : at + 7] = [*place, *rotation]
                else:
                    model.body_pos[body], model.body_quat[body] = place, rotation

    def hang(self, places: Mapping[str, list[Point]]) -> None:
        """Ties what is pulled to its point: at the origin they are where they begin."""
        for number, weld in enumerate(self._welds):
            at = self._free[PULLED][number].qpos_at
            self._model.eq_data[weld, :3] = 0.0
            self._model.eq_data[weld, 3:10] = self._model.qpos0[at : at + 7]

    def pull(self) -> None:
        """Moves the points, all alike; before every substep."""
        phase, size = self._data.time, self._groups[PULLED].size
        self._data.mocap_pos[:] = TRAVEL * math.sin(phase), TRAVEL * math.cos(phase), size

    def places(self, kind: str) -> list[Point]:
        """Where they are (m); none of a kind without bodies."""
        found = self._data.xpos[self._ids.get(kind, [])]
        return [(x, y) for x, y, _ in found.tolist()]

    def place_3d(self, kind: str) -> tuple[float, float, float]:
        """Where the only one of a kind is (m)."""
        x, y, z = self._data.xpos[self._ids[kind][0]].tolist()
        return x, y, z

    def headings(self, kind: str) -> list[float]:
        """How far movable ones are turned (rad)."""
        return [one.heading() for one in self._free[kind]]

    def speeds(self, kind: str) -> list[float]:
        """How fast movable ones are (m/s)."""
        return [one.speed() for one in self._free[kind]]

    def touched(self, kind: str) -> np.ndarray:
        """Which of a kind the robot touches, now."""
        return np.isin(self._ids[kind], self._met())

    def touches(self) -> bool:
        """Whether the robot touches anything but the floor, now."""
        return bool(np.any(self._met() > 0))

    def _met(self) -> np.ndarray:
        """The bodies that the robot touches; the floor's is 0."""
        if not self._data.ncon:
            return np.zeros(0, int)
        pairs = self._data.contact.geom
        own = self._is_robot[pairs]
        with_another = own.sum(axis=1) == 1
        return self._body[pairs[with_another][~own[with_another]]]
