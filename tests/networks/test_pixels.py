"""The pixel networks against the recorded PyTorch originals and against XLA's convolutions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.networks.convolution import Conv, ConvTranspose
from handrail.networks.image_network import ImageNetwork
from handrail.networks.pixels import NatureQ, PixelDecoder, PixelEncoder


@settings(max_examples=4, deadline=None)
@given(
    st.sampled_from([(3, 1), (3, 2), (4, 2), (8, 4), (1, 1), (2, 3)]),
    st.integers(8, 12),
    st.integers(8, 12),
    st.integers(0, 1000),
)
def test_convolution_and_its_gradients_equal_xlas(kernel_stride, height, width, seed):
    kernel, stride = kernel_stride
    conv = Conv(3, 5, kernel, stride, key=jax.random.key(seed))
    x = jax.random.normal(jax.random.key(seed + 1), (height, width, 3))

    def reference(conv, x):
        y = jax.lax.conv_general_dilated(
            x[None],
            conv.weight,
            (stride, stride),
            "VALID",
            dimension_numbers=("NHWC", "OHWI", "NHWC"),
        )
        return y[0] + conv.bias[None, None]

    np.testing.assert_allclose(conv(x), reference(conv, x), atol=2e-5)
    ours = jax.jit(jax.grad(lambda c, x: jnp.sum(jnp.sin(c(x))), argnums=(0, 1)))(conv, x)
    theirs = jax.jit(jax.grad(lambda c, x: jnp.sum(jnp.sin(reference(c, x))), argnums=(0, 1)))(
        conv, x
    )
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=3e-4)


@settings(max_examples=3, deadline=None)
@given(st.sampled_from([1, 2]), st.integers(3, 9), st.integers(0, 1000))
def test_transposed_convolution_is_the_adjoint(stride, size, seed):
    # The matrix of a transposed convolution is that of the convolution, transposed.
    deconv = ConvTranspose(4, 3, 3, stride, key=jax.random.key(seed))
    x = jax.random.normal(jax.random.key(seed + 1), (size, size, 4))
    y = deconv(x) - deconv.bias[None, None]
    side = (size - 1) * stride + 3 + (stride - 1)
    assert y.shape == (side, side, 3)
    conv = Conv(3, 4, 3, stride, key=jax.random.key(0))
    conv = eqx.tree_at(
        lambda c: (c.weight, c.bias), conv, (deconv.weight.transpose(3, 1, 2, 0), jnp.zeros(4))
    )
    probe = jax.random.normal(jax.random.key(seed + 2), y.shape)
    np.testing.assert_allclose(jnp.vdot(y, probe), jnp.vdot(x, conv(probe)), rtol=1e-3, atol=1e-3)


def test_shapes_and_batches():
    keys = jax.random.split(jax.random.key(0), 4)
    frames = jax.random.randint(keys[0], (3, 84, 84, 3), 0, 256).astype(jnp.uint8)
    q, encoder = NatureQ(7, key=keys[1]), PixelEncoder(key=keys[2])
    decoder = PixelDecoder(key=keys[3])
    assert decoder(encoder(frames[0])).shape == (84, 84, 3)
    for network, width in ((q, 7), (encoder, 50)):
        single = eqx.filter_jit(lambda n, f: jax.vmap(n)(f))(network, frames)
        assert single.shape == (3, width)
        np.testing.assert_allclose(
            eqx.filter_jit(lambda n, f: n.batch(f))(network, frames), single, atol=1e-5
        )


def test_other_sizes_than_the_papers():
    key = jax.random.key(0)
    frame = jax.random.randint(key, (84, 84, 3), 0, 256).astype(jnp.uint8)
    q = NatureQ(7, ImageNetwork(channels=(4, 4, 8), hidden=(16,)), key=key)
    assert q(frame).shape == (7,) and q.hidden.weight.shape == (16, 7 * 7 * 8)
    few = ImageNetwork((4, 8, 8), (4, 4, 3), (4, 2, 1), ())
    encoder, decoder = PixelEncoder(5, few, key=key), PixelDecoder(5, few, key=key)
    latent = encoder(frame)
    assert latent.shape == (5,) and encoder.project.weight.shape == (5, 7 * 7 * 8)
    made = decoder(latent)  # 7, 9, 20 cropped to 21 by its edge, 84
    assert made.shape == (84, 84, 3)
    error = decoder.batch_error(latent[None], frame[None])
    np.testing.assert_allclose(error, np.mean((made - decoder.target(frame)) ** 2), rtol=1e-4)


@pytest.mark.parametrize("network", [NatureQ(7, key=jax.random.key(3))])
def test_initial_distribution_is_pytorchs(network):
    for layer in (*network.convs, network.hidden, network.out):
        bound = 1 / np.sqrt(np.prod(layer.weight.shape[1:]))
        np.testing.assert_allclose(np.std(layer.weight), bound / np.sqrt(3), rtol=0.05)
        assert np.abs(layer.bias).max() <= bound
    deconv = PixelDecoder(key=jax.random.key(3)).deconvs[-1]
    assert np.abs(deconv.weight).max() <= 1 / np.sqrt(27)
    np.testing.assert_allclose(np.abs(deconv.weight).max(), 1 / np.sqrt(27), rtol=0.02)
