"""What each of the tasks asks for: rewards, and what happens where it is achieved.

A rule belongs to one engine and keeps what an episode needs besides the physics as numbers
(`numbers`, `recall`).
"""

import abc
import math
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.navigation.layouts import RESTARTS, Point, box_of, first_clear

GOAL_BONUS = 1.0
GOAL_HEIGHT = 0.16  # of the goal's centre, which only Push1 asks for (m)
DELAY = 10  # steps for which buttons sleep
CIRCLE_WEIGHT, CIRCLE_RADIUS = 0.1, 1.5


class AbstractRule(abc.ABC):
    """The rule of one engine."""

    def __init__(self, engine: Any):
        self.engine = engine

    @abc.abstractmethod
    def begin(self) -> None:
        """An episode begins: objects are in place."""

    @abc.abstractmethod
    def progress(self) -> float:
        """The reward of a step without the bonus."""

    def tick(self) -> None:
        """A step is over, but for what its success changes."""
        return None

    def achieved(self) -> bool:
        """Whether the goal is met in the state that was reached."""
        return False

    def renew(self) -> bool:
        """Sets the next goal; False where there is no place for one, which ends the episode."""
        return True

    def shown(self, kind: str) -> list[Point]:
        """Where the lidar of a kind sees its objects."""
        return self.engine.places(kind)

    def goal(self) -> Point | None:
        """Where to go, for pictures."""
        return None

    def show(self, goal: Point | None) -> None:
        """Makes a place the goal, for pictures; by default the goal is where its objects are."""
        return None

    def numbers(self) -> list[float]:
        """What the rest of the episode depends on."""
        return []

    def recall(self, numbers: list[float]) -> None:
        """Goes back to what `numbers` said."""
        return None


class _Moved:
    """How much smaller a distance became since it was asked for last."""

    def __init__(self):
        self.last = 0.0

    def by(self, distance: float) -> float:
        gained, self.last = self.last - distance, distance
        return gained


class GoalRule(AbstractRule):
    """Come near a goal, which then is somewhere else."""

    def __init__(self, engine: Any):
        super().__init__(engine)
        self._gained = _Moved()

    def begin(self) -> None:
        if not self.renew():
            raise HandrailError(
                f"task {self.engine.task.name!r}: no place for the goal; use smaller keepouts"
            )

    def _distance(self) -> float:
        return math.dist(self.engine.robot_place(), self.engine.places("goal")[0])

    def _measure(self) -> None:
        self._gained.last = self._distance()

    def progress(self) -> float:
        return self._gained.by(self._distance())

    def achieved(self) -> bool:
        return self._distance() <= self.engine.task.group("goal").size

    def renew(self) -> bool:
        if not place_goal(self.engine):
            return False
        self._measure()
        return True

    def goal(self) -> Point:
        return self.engine.places("goal")[0]

    def numbers(self) -> list[float]:
        return [self._gained.last]

    def recall(self, numbers: list[float]) -> None:
        (self._gained.last,) = numbers


class PushRule(GoalRule):
    """Push a box to the goal. Distances are those in space, heights included."""

    def __init__(self, engine: Any):
        super().__init__(engine)
        self._nearer = _Moved()

    def _distance(self) -> float:
        return math.dist(self.engine.box_place(), (*self.engine.places("goal")[0], GOAL_HEIGHT))

    def _to_box(self) -> float:
        return math.dist(self.engine.robot_place_3d(), self.engine.box_place())

    def _measure(self) -> None:
        super()._measure()
        self._nearer.last = self._to_box()

    def progress(self) -> float:
        return self._nearer.by(self._to_box()) + super().progress()

    def numbers(self) -> list[float]:
        return [self._gained.last, self._nearer.last]

    def recall(self, numbers: list[float]) -> None:
        self._gained.last, self._nearer.last = numbers


class ButtonRule(AbstractRule):
    """Touch one of the buttons, which the goal's lidar tells; then it is another.

    For some steps from the beginning, and from each success on, buttons cost nothing and are not
    seen.
    """

    def __init__(self, engine: Any):
        super().__init__(engine)
        self.button, self.timer = 0, 0
        self._gained = _Moved()

    def begin(self) -> None:
        self.button, self.timer = int(self.engine.draws.choice(self._count)), DELAY
        self._gained.last = self._distance()

    @property
    def _count(self) -> int:
        return self.engine.task.group("buttons").count

    def _distance(self) -> float:
        return math.dist(self.engine.robot_place(), self.goal())

    def progress(self) -> float:
        return self._gained.by(self._distance())

    def tick(self) -> None:
        self.timer = max(self.timer - 1, 0)

    def achieved(self) -> bool:
        return bool(self.engine.touched("buttons")[self.button])

    def renew(self) -> bool:
        self.begin()
        return True

    def shown(self, kind: str) -> list[Point]:
        if kind == "goal":
            return [self.goal()]
        return [] if kind == "buttons" and self.timer else super().shown(kind)

    def goal(self) -> Point:
        return self.engine.places("buttons")[self.button]

    def show(self, goal: Point | None) -> None:
        if goal is not None:
            apart = [math.dist(goal, place) for place in self.engine.places("buttons")]
            self.button = apart.index(min(apart))

    def numbers(self) -> list[float]:
        return [float(self.button), float(self.timer), self._gained.last]

    def recall(self, numbers: list[float]) -> None:
        self.button, self.timer, self._gained.last = int(numbers[0]), int(numbers[1]), numbers[2]


class CircleRule(AbstractRule):
    """Drive round a circle, fast and near its line. It is never achieved."""

    def begin(self) -> None:
        """Nothing is asked for by place."""

    def progress(self) -> float:
        (x, y), (v_x, v_y) = self.engine.robot_place(), self.engine.robot_velocity()
        radius = math.hypot(x, y)
        around = (-v_x * y + v_y * x) / radius
        return CIRCLE_WEIGHT * around / (1 + abs(radius - CIRCLE_RADIUS))

    def shown(self, kind: str) -> list[Point]:
        return [(0.0, 0.0)] if kind == "circle" else super().shown(kind)


def place_goal(engine: Any) -> bool:
    """Draws a goal that is clear of everything where it is now; False if there is no place."""
    task = engine.task
    goal = task.group("goal")
    placed = [(engine.robot_place(), task.robot_keepout)]
    for group in task.groups:
        if group is not goal:
            placed += [(place, group.keepout) for place in engine.places(group.kind)]
    box = box_of(task.extent, goal.keepout)
    found = first_clear(engine.draws, box, goal.keepout, placed, RESTARTS)
    if found is None:
        return False
    engine.layout.places["goal"] = [found]
    return True
