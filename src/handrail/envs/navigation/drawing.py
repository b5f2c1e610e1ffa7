"""A view from above, drawn with numpy alone: needs no graphics library and always works."""

import dataclasses

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.navigation.tasks import GOAL_RADIUS

_FLOOR, _OUTSIDE = (238, 240, 243), (214, 218, 223)
_HAZARD, _GOAL, _VASE = (122, 136, 226), (104, 190, 118), (72, 176, 190)
_STANDING = (150, 158, 168)
_ROBOT, _NOSE = (196, 52, 52), (60, 60, 60)
_MARGIN = 1.25  # how much more than the extents the picture shows
_ROBOT_RADIUS = 0.1


@dataclasses.dataclass
class Scene:
    """What there is to see, in m and rad; `goal` is None where there is none."""

    extent: float
    robot: np.ndarray  # (2,)
    heading: float
    hazards: np.ndarray  # (n, 2)
    hazard_size: float
    vases: np.ndarray  # (n, 2)
    vase_headings: np.ndarray  # (n,)
    vase_size: float
    goal: np.ndarray | None
    discs: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    """What stands, x, y and radius each, (n, 3)."""
    walls: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    """x of walls along y, (n,)."""
    rings: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    """Radii of circles around the middle, (n,)."""
    goal_size: float = GOAL_RADIUS


def draw(scene: Scene, size: int = 256) -> np.ndarray:
    """A picture, uint8 (size, size, 3), of the square that objects are placed in; y points up."""
    if size < 16:
        raise HandrailError(f"size {size} of a picture: expected at least 16 pixels")
    reach = _MARGIN * scene.extent
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * reach
    x, y = np.meshgrid(axis, -axis)
    picture = np.empty((size, size, 3), np.uint8)
    picture[:] = _OUTSIDE
    picture[np.maximum(abs(x), abs(y)) <= scene.extent] = _FLOOR

    def disc(place, radius, colour):
        picture[(x - place[0]) ** 2 + (y - place[1]) ** 2 <= radius**2] = colour

    def square(place, half, heading, colour):
        dx, dy = x - place[0], y - place[1]
        ahead = np.cos(heading) * dx + np.sin(heading) * dy
        left = np.cos(heading) * dy - np.sin(heading) * dx
        picture[np.maximum(abs(ahead), abs(left)) <= half] = colour

    for place in scene.hazards:
        disc(place, scene.hazard_size, _HAZARD)
    for ring in scene.rings:
        picture[np.abs(np.hypot(x, y) - ring) <= reach * 2 / size] = _GOAL
    for wall in scene.walls:
        picture[np.abs(x - wall) <= reach * 2 / size] = _HAZARD
    for place_x, place_y, radius in scene.discs:
        disc((place_x, place_y), radius, _STANDING)
    if scene.goal is not None:
        disc(scene.goal, scene.goal_size, _GOAL)
    for place, heading in zip(scene.vases, scene.vase_headings, strict=True):
        square(place, scene.vase_size, heading, _VASE)
    nose = np.array([np.cos(scene.heading), np.sin(scene.heading)]) * _ROBOT_RADIUS
    square(scene.robot + nose, 0.05, scene.heading, _NOSE)
    disc(scene.robot, _ROBOT_RADIUS, _ROBOT)
    return picture
