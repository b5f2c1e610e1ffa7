"""Where objects begin, bit for bit as Safety-Gymnasium places them from a seed.

One generator is kept from reset to reset; `navigation.layouts` begins a new one for each.
"""

import dataclasses
import math

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.navigation.layouts import RESTARTS, TRIES, Box, Point, box_of, first_clear
from handrail.envs.safety_gymnasium.tasks import ArenaTask


@dataclasses.dataclass
class ArenaLayout:
    """Places (m) and headings (rad) at the beginning of an episode; the goal's is the present one.

    By kind of object, those of one kind in their order.
    """

    robot: Point
    robot_heading: float
    places: dict[str, list[Point]]
    headings: dict[str, list[float]]


def _order(task: ArenaTask) -> list[tuple[str, float, Box]]:
    """Kind, keepout and box of each object, in the order of the draws."""
    robot = task.extent if task.robot_extent is None else task.robot_extent
    order = [("robot", task.robot_keepout, box_of(robot, task.robot_keepout))]
    for group in task.groups:
        order += [
            (group.kind, group.keepout, box_of(task.extent, group.keepout, at))
            for at in group.at or (None,) * group.count
        ]
    return order


def draw_layout(task: ArenaTask, draws: np.random.RandomState) -> ArenaLayout:
    """The next layout of the generator; goals are yet to be drawn again, and buttons chosen.

    Raises `HandrailError` where none is found.
    """
    order = _order(task)
    for _ in range(RESTARTS):
        placed: list[tuple[Point, float]] = []
        for _, keepout, box in order:
            place = first_clear(draws, box, keepout, placed, TRIES)
            if place is None:
                break
            placed.append((place, keepout))
        else:
            return _named(task, order, placed, draws)
    raise HandrailError(
        f"task {task.name!r}: no layout found in {RESTARTS} attempts; "
        "use fewer objects, smaller keepouts or a larger extent"
    )


def _named(task, order, placed, draws: np.random.RandomState) -> ArenaLayout:
    places: dict[str, list[Point]] = {group.kind: [] for group in task.groups}
    headings: dict[str, list[float]] = {group.kind: [] for group in task.groups}
    robot, robot_heading = placed[0][0], 2 * math.pi * draws.random_sample()
    for (kind, _, _), (place, _) in zip(order[1:], placed[1:], strict=True):
        places[kind].append(place)
        headings[kind].append(2 * math.pi * draws.random_sample())
    return ArenaLayout(robot, robot_heading, places, headings)
