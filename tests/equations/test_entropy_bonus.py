"""The entropy bonus against two nested loops, and what it must and must not depend on."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handrail.core.errors import HandrailError
from handrail.equations.entropy_bonus import entropy_bonus, neighbour_distance

coordinates = st.integers(-20, 20).map(lambda n: n / 4)  # exact in float32, ties included
clouds = st.tuples(st.sampled_from([5, 9]), st.just(2)).flatmap(  # few shapes: each is compiled
    lambda shape: hnp.arrays(np.float32, shape, elements=coordinates)
)


def naive(particles, neighbours, offset=1.0):
    values = []
    for i, point in enumerate(particles):
        others = [math.dist(point, other) for j, other in enumerate(particles) if j != i]
        values.append(math.log(offset + sorted(others)[neighbours - 1]))
    return values


@functools.partial(jax.jit, static_argnames=("neighbours", "offset"))
def _bonuses(particles, offset, neighbours):
    return jax.vmap(lambda x: entropy_bonus(x, particles, neighbours, offset))(particles)


def bonuses(particles, neighbours=3, offset=1.0):
    return np.asarray(_bonuses(jnp.asarray(particles, jnp.float32), offset, neighbours))


def distances(particles):
    return jax.vmap(lambda x: neighbour_distance(x, particles, 3))(particles)


@given(clouds, st.sampled_from([1, 3]), st.sampled_from([0.5, 1.0]))
def test_agrees_with_a_naive_search(cloud, neighbours, offset):
    np.testing.assert_allclose(
        bonuses(cloud, neighbours, offset=offset),
        naive(cloud.tolist(), neighbours, offset),
        atol=1e-5,
    )


@given(clouds, st.randoms(use_true_random=False))
def test_the_order_of_the_particles_and_where_they_are_do_not_matter(cloud, random):
    order = list(range(len(cloud)))
    random.shuffle(order)
    expected = bonuses(cloud)
    np.testing.assert_allclose(bonuses(cloud[order]), expected[order], atol=1e-5)
    np.testing.assert_allclose(bonuses(cloud + np.float32(8)), expected, atol=1e-5)


@given(clouds)
def test_spreading_pays_and_coinciding_does_not(cloud):
    assert (bonuses(2 * cloud) >= bonuses(cloud) - 1e-6).all()
    assert (bonuses(cloud) >= 0).all()
    np.testing.assert_array_equal(bonuses(np.ones_like(cloud)), 0)


def test_standardising_a_batch_by_itself_would_take_the_reward_for_spreading_away():
    """Why `NeighbourEntropy` keeps the units of the observation."""
    cloud = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    alike = [float(bonuses(x / x.std(axis=0)).mean()) for x in (cloud, 10 * cloud)]
    assert alike[0] == pytest.approx(alike[1], abs=1e-5)
    assert bonuses(10 * cloud).mean() > bonuses(cloud).mean() + 0.5


def test_it_estimates_entropy():
    """A uniform square of twice the edge has 2 log 2 nats more entropy: the mean of n log d."""
    random = np.random.default_rng(1)
    small, large = (random.uniform(0, edge, (800, 2)) for edge in (1.0, 2.0))
    means = [2 * float(np.log(distances(jnp.asarray(p))).mean()) for p in (small, large)]
    assert means[1] - means[0] == pytest.approx(2 * math.log(2), abs=0.1)


@pytest.mark.parametrize("neighbours", [0, 4])
def test_neighbours_that_a_batch_cannot_have_are_refused(neighbours):
    with pytest.raises(HandrailError, match="expected neighbours from 1 to 3"):
        bonuses(np.zeros((4, 2)), neighbours)
