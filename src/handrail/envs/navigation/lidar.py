"""The pseudo-lidar of the navigation tasks on the host, for one robot and a few objects.

Written with plain floats: for up to ten objects that is faster than vectorised numpy.
"""

import math
from collections.abc import Iterable, Sequence

from handrail.envs.navigation.tasks import LIDAR_BINS, LIDAR_RANGE

_WIDTH = 2 * math.pi / LIDAR_BINS


def lidar(
    origin: Sequence[float],
    rotation: Sequence[float],
    places: Iterable[tuple[float, float]],
    reach: float = LIDAR_RANGE,
) -> list[float]:
    """The readings of 16 directions, counted anticlockwise from the robot's x axis.

    `origin` is the robot's place in 3-D and `rotation` its matrix row by row; objects lie on
    the floor. A reading is 1 at distance 0 and 0 from `reach` on (m). An object also lights the two
    neighbouring bins by how near its direction lies to them, which makes readings continuous.
    """
    x, y, z = origin
    xx, xy, _, yx, yy, _, zx, zy, _ = rotation  # columns are the robot's axes
    bins = [0.0] * LIDAR_BINS
    for place_x, place_y in places:
        dx, dy = place_x - x, place_y - y
        ahead = xx * dx + yx * dy - zx * z
        left = xy * dx + yy * dy - zy * z
        reading = (reach - math.sqrt(ahead * ahead + left * left)) / reach
        if reading <= 0.0:
            continue
        turn = (math.atan2(left, ahead) % (2 * math.pi)) / _WIDTH
        index = int(turn)
        fraction = turn - index
        index %= LIDAR_BINS
        after = (index + 1) % LIDAR_BINS
        if reading > bins[index]:
            bins[index] = reading
        if fraction * reading > bins[after]:
            bins[after] = fraction * reading
        if (1 - fraction) * reading > bins[index - 1]:
            bins[index - 1] = (1 - fraction) * reading
    return bins
