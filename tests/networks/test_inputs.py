import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.learners.sac.networks import CriticEnsemble
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.inputs import CLOSEST, ScaledInputs

KEY = jax.random.key(0)
INPUTS = ScaledInputs((0.5, 1.0, 2.0), (False, True, False))


def test_numbers_are_scaled_and_readings_become_logarithms_of_the_distance():
    distance = np.array([3.0, 1.5, 0.2, 0.05])  # m, of a range of 3 m
    vectors = np.stack([np.full(4, -7.0), 1 - distance / 3, np.full(4, 50.0)], axis=1)
    read = np.asarray(jax.vmap(INPUTS)(jnp.asarray(vectors, jnp.float32)))
    np.testing.assert_array_equal(read[:, 0], -3.5)
    np.testing.assert_array_equal(read[:, 2], 100.0)
    np.testing.assert_allclose(read[:, 1], np.log(3 / distance), rtol=1e-5)


def test_readings_at_their_ends_are_finite():
    vectors = jnp.array([[0.0, reading, 5.0] for reading in (0.0, 1.0, 1.2)])
    read = jax.vmap(INPUTS)(vectors)[:, 1]
    assert read.tolist() == pytest.approx([0.0, -np.log(CLOSEST), -np.log(CLOSEST)])


def test_the_edge_of_a_hazard_is_seen():
    """0.93 and 0.92 of the range: a step of 0.01 in the reading, of 0.13 in what is read."""
    inside, outside = (INPUTS(jnp.array([0.0, reading, 0.0]))[1] for reading in (0.93, 0.92))
    assert 0.1 < float(inside - outside) < 0.15
    with pytest.raises(HandrailError, match="1 factors for 2 numbers"):
        ScaledInputs((1.0,), (True, False))


def test_networks_read_what_the_inputs_make_of_an_observation():
    """Actor and critics with inputs are those without, asked about what the inputs give."""
    observation, action = jnp.array([4.0, 0.9, -0.2]), jnp.array([0.3, -0.4])
    plain, scaled = (GaussianPolicy(3, 2, (8,), inputs=i, key=KEY) for i in (None, INPUTS))
    given = INPUTS(observation)
    np.testing.assert_array_equal(plain(given).mean, scaled(observation).mean)
    np.testing.assert_array_equal(plain(given).log_std, scaled(observation).log_std)
    assert not np.allclose(plain(observation).mean, scaled(observation).mean)
    plain, scaled = (
        CriticEnsemble.init(3, 2, (8,), cost_critic="positive", inputs=i, key=KEY)
        for i in (None, INPUTS)
    )
    np.testing.assert_array_equal(plain.costs(given, action), scaled.costs(observation, action))
    for ask in (CriticEnsemble.batch, CriticEnsemble.fitted):
        one, other = (
            ask(plain, given[None], action[None]),
            ask(scaled, observation[None], action[None]),
        )
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(plain(observation, action), scaled(observation, action))


def test_inputs_hold_nothing_that_is_learnt():
    plain, scaled = (GaussianPolicy(3, 2, (8,), inputs=i, key=KEY) for i in (None, INPUTS))
    assert len(jax.tree.leaves(plain)) == len(jax.tree.leaves(scaled))
