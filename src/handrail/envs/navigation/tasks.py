"""The navigation tasks of SaGui (arXiv:2307.14316) as data: robots, objects, keepouts, goals.

A task has two variants. The *source* (the guide's) has no goal: its reward is the distance
moved, and leaving the extents ends the episode. The *target* (the student's) rewards progress
towards a goal. Hazards and vases cost in both.
"""

import dataclasses
from typing import Literal, get_args

from handrail.core.errors import HandrailError, UnknownName

Variant = Literal["source", "target"]
Outside = Literal["ends", "open", "homing"]
"""Of a source, where the robot has left the extents: the episode ends; it goes on without reward;
or it goes on with a reward for the way back, how much nearer the extents came (m). The last two are
beyond the paper: a guide that has never been outside predicts whatever its critic happens to say
there, and students go there; a guide that earns nothing outside, among many hazards, drives out,
stays there and takes its student along. A difference of distances cannot be earned twice."""

LIDAR_BINS = 16
LIDAR_RANGE = 3.0  # m; nearer objects read higher, farther ones read 0
GOAL_RADIUS = 0.3  # m
GOAL_BONUS = 1.0
SIZES = {  # parts that are not lidars; (3, 3) is a rotation matrix, row by row
    "accelerometer": (3,),
    "ballangvel_rear": (3,),
    "ballquat_rear": (3, 3),
    "gyro": (3,),
    "magnetometer": (3,),
    "velocimeter": (3,),
}


@dataclasses.dataclass(frozen=True)
class Objects:
    """Objects of one kind. `at` fixes their places; without it they are drawn at each reset."""

    count: int
    size: float  # hazards: radius; vases: half an edge (m)
    keepout: float  # radius that must stay clear of the keepouts of others at reset (m)
    at: tuple[tuple[float, float], ...] = ()

    def __post_init__(self):
        if self.at and len(self.at) != self.count:
            raise HandrailError(
                f"Objects: {self.count} objects but {len(self.at)} places in `at`; "
                "give one place for each object, or none to draw them at random"
            )


@dataclasses.dataclass(frozen=True)
class NavigationTask:
    """One variant of a navigation task; lengths in m, one cost per step of 0 or 1."""

    name: str
    variant: Variant
    robot: Literal["point", "car"]
    extent: float  # objects are placed in the square [-extent, extent]²
    hazards: Objects
    vases: Objects = Objects(0, 0.1, 0.15)
    vases_cost: bool = False  # touching a vase, and moving vases, cost
    robot_keepout: float = 0.4
    goal_keepout: float = 0.305
    goal_at: tuple[tuple[float, float], ...] = ()  # one fixed place; empty: drawn
    episode_length: int = 1000  # steps
    outside: Outside = "ends"  # of the source
    limit: float = 25.0  # the paper's limit on the expected undiscounted cost of an episode

    def __post_init__(self):
        if self.variant not in ("source", "target"):
            raise HandrailError(
                f"variant {self.variant!r} of task {self.name!r}: expected 'source' or 'target'"
            )
        if self.outside not in get_args(Outside):
            raise UnknownName("value of outside", self.outside, get_args(Outside))

    @property
    def has_goal(self) -> bool:
        return self.variant == "target"

    @property
    def compiles(self) -> bool:
        """Whether compiled physics can simulate it: it knows neither vases nor the car."""
        return self.robot == "point" and not self.vases.count

    @property
    def timestep(self) -> float:
        """Seconds of one of the ten substeps of a step."""
        return 0.002 if self.robot == "point" else 0.004

    @property
    def sensors(self) -> tuple[str, ...]:
        rear = ("ballangvel_rear", "ballquat_rear") if self.robot == "car" else ()
        return ("accelerometer", *rear, "gyro", "magnetometer", "velocimeter")

    @property
    def lidars(self) -> tuple[str, ...]:
        goal = ("goal_lidar",) if self.has_goal else ()
        vases = ("vases_lidar",) if self.vases.count else ()
        return (*goal, "hazards_lidar", *vases)

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the observation's parts, in alphabetical order."""
        return {name: SIZES.get(name, (LIDAR_BINS,)) for name in sorted(self.sensors + self.lidars)}

    @property
    def source(self) -> "NavigationTask":
        """The same task as the guide sees it: no goal, and a robot that may start anywhere."""
        return dataclasses.replace(self, variant="source", robot_keepout=0.0)

    @property
    def target(self) -> "NavigationTask":
        return dataclasses.replace(self, variant="target", robot_keepout=0.4)

    def source_that(self, outside: Outside) -> "NavigationTask":
        """The source of which this is true where the robot has left the extents."""
        return dataclasses.replace(self.source, outside=outside)

    @property
    def without_vases(self) -> "NavigationTask":
        """Without objects to bump into: what the compiled physics can simulate."""
        if not self.vases.count:
            return self
        return dataclasses.replace(
            self,
            name=f"{self.name}-without-vases",
            vases=dataclasses.replace(self.vases, count=0, at=()),
            vases_cost=False,
        )


_RANDOM_HAZARDS = Objects(8, 0.2, 0.18)
_ONE_VASE = Objects(1, 0.1, 0.15)
_STATIC = NavigationTask(
    "navigation-static",
    "target",
    "point",
    1.5,
    hazards=Objects(1, 0.7, 0.705, at=((0.0, 0.0),)),
    goal_at=((1.1, 1.1),),
    limit=5.0,
)
_SEMI_DYNAMIC = NavigationTask(
    "navigation-semi-dynamic",
    "target",
    "car",
    2.0,
    hazards=Objects(4, 0.2, 0.18, at=((1.0, 1.0), (1.0, -1.0), (-0.2, 0.2), (-1.4, -1.4))),
    vases=Objects(4, 0.2, 0.18, at=((-1.0, -1.0), (-1.0, 1.0), (0.2, -0.2), (1.4, 1.4))),
    vases_cost=True,
    limit=8.0,
)
_DYNAMIC = NavigationTask(
    "navigation-dynamic", "target", "point", 1.5, hazards=_RANDOM_HAZARDS, vases=_ONE_VASE
)
# The layout, reward and cost of SafetyPointGoal1 are those of the dynamic task; its observation
# lists the same parts in another order, and its seeds give other layouts.
_POINT_GOAL_1 = dataclasses.replace(_DYNAMIC, name="navigation-pointgoal1")

TASKS: dict[str, NavigationTask] = {
    task.name: task
    for task in (
        _STATIC,
        _SEMI_DYNAMIC,
        _DYNAMIC,
        _POINT_GOAL_1,
        _DYNAMIC.without_vases,
        _POINT_GOAL_1.without_vases,
    )
}
"""The target variant of every navigation task; `.source` gives the guide's."""


def navigation_task(name: str, variant: Variant = "target") -> NavigationTask:
    """The named task (such as `navigation-static`); raises `UnknownName`."""
    if name not in TASKS:
        raise UnknownName("navigation task", name, TASKS)
    task = TASKS[name]
    if variant not in ("source", "target"):
        raise UnknownName("variant", variant, ("source", "target"))
    return task.source if variant == "source" else task.target
