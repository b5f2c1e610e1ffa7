import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.networks.initialisers import glorot_uniform, torch_uniform
from handrail.networks.mlp import MLP


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 2**31 - 1))
def test_equals_the_layers_written_out(sizes, seed):
    mlp = MLP(sizes, jnp.tanh, key=jax.random.key(seed))
    x = np.random.default_rng(seed).integers(0, 256, sizes[0]).astype(np.uint8)
    y = x.astype(np.float32)
    for number, layer in enumerate(mlp.layers):
        assert layer.weight.shape == (sizes[number + 1], sizes[number])
        y = np.asarray(layer.weight) @ y + np.asarray(layer.bias)
        y = np.tanh(y) if number < len(mlp.layers) - 1 else y
    np.testing.assert_allclose(mlp(jnp.asarray(x)), y, rtol=1e-4, atol=1e-4)
    assert mlp(jnp.asarray(x)).dtype == jnp.float32


@pytest.mark.parametrize("shape", [(400, 50), (32, 8, 8, 3)])
def test_torch_initialisation_fills_plus_minus_one_over_root_fan_in(shape):
    weight, bias = torch_uniform(shape, key=jax.random.key(1))
    bound = 1 / np.sqrt(np.prod(shape[1:]))
    for values in (weight, bias):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
    np.testing.assert_allclose(np.std(weight), bound / np.sqrt(3), rtol=0.03)
    np.testing.assert_allclose(np.mean(weight), 0, atol=4 * bound / np.sqrt(3 * weight.size))
    assert np.corrcoef(np.asarray(weight).reshape(-1)[: bias.size], bias)[0, 1] < 0.6


def test_glorot_initialisation_has_no_bias():
    weight, bias = glorot_uniform((300, 100), key=jax.random.key(1))
    bound = np.sqrt(6 / 400)
    assert bound >= np.abs(weight).max() > 0.99 * bound
    assert not bias.any()


def test_ensembles_by_vmap_differ_between_members():
    make = eqx.filter_vmap(lambda key: MLP((3, 4, 2), jnp.tanh, init=glorot_uniform, key=key))
    ensemble = make(jax.random.split(jax.random.key(0), 5))
    values = eqx.filter_vmap(lambda m, x: m(x), in_axes=(eqx.if_array(0), None))(
        ensemble, jnp.ones(3)
    )
    assert values.shape == (5, 2)
    assert len(np.unique(np.asarray(values)[:, 0])) == 5


def test_mistakes_are_named():
    with pytest.raises(HandrailError, match=r"\(5,\).*two positive widths"):
        MLP((5,), key=jax.random.key(0))
