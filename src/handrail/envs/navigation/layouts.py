"""Where objects begin, bit for bit as Safety Gym places them from a seed.

The generator is numpy's legacy `RandomState`, one fresh generator for each episode, which
goes on to feed the episode's own draws (see `Layout.draws`).
"""

import dataclasses
import functools
import math

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.navigation.tasks import NavigationTask, Objects

TRIES = 100  # candidates for an object before the whole layout begins anew
RESTARTS = 10_000  # layouts before giving up, and candidates for a goal
_EPSILON = 1e-9  # a fixed place is a box of this half width

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # x and y of the low corner, x and y of the high one


@dataclasses.dataclass
class Layout:
    """Places (m) and headings (rad) at the beginning of an episode."""

    robot: Point
    robot_heading: float
    hazards: list[Point]
    vases: list[Point]
    vase_headings: list[float]
    goal: Point | None  # the one that counts: the second draw
    discarded_goal: Point | None  # the first draw, which only takes part in placing the others
    draws: np.random.RandomState


def box_of(extent: float, keepout: float, at: Point | None = None) -> Box:
    """Where a centre may lie: the extents, or the surrounding of a fixed place, less a keepout."""
    if at is None:
        low, high = -extent + keepout, extent - keepout
        return low, low, high, high
    reach = keepout + _EPSILON  # grown and shrunk again: the rounding is part of the agreement
    (x, y) = at
    return x - reach + keepout, y - reach + keepout, x + reach - keepout, y + reach - keepout


def first_clear(
    draws: np.random.RandomState,
    box: Box,
    keepout: float,
    placed: list[tuple[Point, float]],
    tries: int,
) -> Point | None:
    """The first of `tries` candidates in the box that is clear of what is placed."""
    low_x, low_y, high_x, high_y = box
    width, height = high_x - low_x, high_y - low_y
    others = [(x, y, other + keepout) for (x, y), other in placed]
    draw = draws.random_sample
    for _ in range(tries):
        # What `draws.uniform` computes, at a fraction of its price.
        x = low_x + width * draw()
        y = low_y + height * draw()
        for other_x, other_y, distance in others:
            if math.sqrt((x - other_x) ** 2 + (y - other_y) ** 2) < distance:
                break
        else:
            return x, y
    return None


@functools.cache
def _order(task: NavigationTask) -> tuple[tuple[str, float, Box], ...]:
    """Kind, keepout and box of each object, in the order of the draws."""
    groups = [("robot", Objects(1, 0.0, task.robot_keepout))]
    if task.has_goal:
        groups.append(("goal", Objects(1, 0.0, task.goal_keepout, task.goal_at)))
    groups += [("hazard", task.hazards), ("vase", task.vases)]
    return tuple(
        (kind, objects.keepout, box_of(task.extent, objects.keepout, at))
        for kind, objects in groups
        for at in objects.at or (None,) * objects.count
    )


def _attempt(order, draws: np.random.RandomState) -> list[tuple[str, Point]] | None:
    placed: list[tuple[Point, float]] = []
    for _, keepout, box in order:
        place = first_clear(draws, box, keepout, placed, TRIES)
        if place is None:
            return None
        placed.append((place, keepout))
    return [(kind, place) for (kind, _, _), (place, _) in zip(order, placed, strict=True)]


def _places(task: NavigationTask, draws: np.random.RandomState) -> list[tuple[str, Point]]:
    order = _order(task)
    for _ in range(RESTARTS):
        places = _attempt(order, draws)
        if places is not None:
            return places
    raise HandrailError(
        f"task {task.name!r}: no layout found in {RESTARTS} attempts; "
        "use fewer objects, smaller keepouts or a larger extent"
    )


def draw_goal(
    task: NavigationTask,
    draws: np.random.RandomState,
    robot: Point,
    hazards: list[Point],
    vases: list[Point],
) -> Point | None:
    """A goal clear of everything; None if 10,000 candidates fail, which ends an episode."""
    placed = [(robot, task.robot_keepout)]
    placed += [(hazard, task.hazards.keepout) for hazard in hazards]
    placed += [(vase, task.vases.keepout) for vase in vases]
    box = box_of(task.extent, task.goal_keepout, task.goal_at[0] if task.goal_at else None)
    return first_clear(draws, box, task.goal_keepout, placed, RESTARTS)


def _angle(draws: np.random.RandomState) -> float:
    return 2 * math.pi * draws.random_sample()


def sample_layout(task: NavigationTask, seed: int) -> Layout:
    """The layout of the episode with this seed; it may cost (see `hazard_depth`)."""
    draws = np.random.RandomState(seed)
    places = _places(task, draws)

    of = {kind: [place for name, place in places if name == kind] for kind, _ in places}
    robot, hazards, vases = of["robot"][0], of.get("hazard", []), of.get("vase", [])
    robot_heading = _angle(draws)
    vase_headings = [_angle(draws) for _ in vases]
    for _ in range(len(hazards) + int(task.has_goal)):  # drawn for discs too, where they show not
        _angle(draws)
    goal = draw_goal(task, draws, robot, hazards, vases) if task.has_goal else None
    if task.has_goal and goal is None:
        raise HandrailError(f"task {task.name!r}: no place for the goal; use smaller keepouts")
    return Layout(
        robot,
        robot_heading,
        hazards,
        vases,
        vase_headings,
        goal,
        of["goal"][0] if task.has_goal else None,
        draws,
    )


def hazard_depth(position: Point, hazards: list[Point], radius: float) -> float:
    """How deep a robot is in hazards, summed over them (m); it costs where this is above 0."""
    x, y = position
    depth = 0.0
    for hazard_x, hazard_y in hazards:
        distance = math.sqrt((x - hazard_x) ** 2 + (y - hazard_y) ** 2)
        if distance <= radius:
            depth += radius - distance
    return depth
