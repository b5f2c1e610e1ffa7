"""The pseudo-lidar: host and compiled twins against a direct reading of its definition."""

import math

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume, given

from handrail.envs.navigation import compiled
from handrail.envs.navigation.lidar import lidar
from handrail.envs.navigation.planar import Body

LIDAR = jax.jit(compiled.lidar)
COORDINATE = st.floats(-3, 3, width=32)
PLACES = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=3)


def defined(position, heading, places):
    """As specified: every object, its own bin and both neighbours, the maximum of readings."""
    bins = np.zeros(16)
    for place in places:
        dx, dy = np.subtract(place, position)
        distance, width = math.hypot(dx, dy), 2 * math.pi / 16
        angle = (math.atan2(dy, dx) - heading) % (2 * math.pi)
        index, reading = math.floor(angle / width), max(0.0, 3 - distance) / 3
        fraction = angle / width - index
        for shift, share in ((0, 1.0), (1, fraction), (-1, 1 - fraction)):
            bins[(index + shift) % 16] = max(bins[(index + shift) % 16], share * reading)
    return bins


@given(COORDINATE, COORDINATE, st.floats(-3, 3, width=32), PLACES)
def test_both_lidars_are_as_defined(x, y, heading, places):
    assume(all(math.dist(place, (x, y)) > 1e-3 for place in places))  # no direction at 0
    expected = defined((x, y), heading, places)
    cos, sin = math.cos(heading), math.sin(heading)
    rotation = [cos, -sin, 0.0, sin, cos, 0.0, 0.0, 0.0, 1.0]
    host = lidar([x, y, 0.1], rotation, places)
    np.testing.assert_allclose(host, expected, atol=1e-6)
    zero = jnp.zeros(2)
    body = Body(jnp.array([x, y], jnp.float32), jnp.float32(heading), zero, jnp.zeros(()))
    np.testing.assert_allclose(LIDAR(body, jnp.array(places)), expected, atol=2e-3)


def test_a_full_turn_lands_in_the_first_bin():
    # An angle just below 0 can round to a full turn; it must not fall out of the last bin.
    bins = lidar([0.0, 0.0, 0.0], [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0], [(1.0, -1e-300)])
    assert bins[0] > 0.66 or bins[15] > 0.66


def test_tilt_leaks_in():
    # The robot's height enters through its tilt: the car's readings depend on it.
    tilted = [1.0, 0, 0, 0, math.cos(0.1), -math.sin(0.1), 0, math.sin(0.1), math.cos(0.1)]
    flat = [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]
    assert lidar([0.0, 0.0, 0.5], tilted, [(0.0, 1.0)]) != lidar(
        [0.0, 0.0, 0.5], flat, [(0.0, 1.0)]
    )
