"""Images beside numbers: the paper's networks, stacks, batches, scales."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.learners.sac.networks import observation_vector
from handrail.methods.contrastive.settings import ENCODER_IMAGES
from handrail.methods.contrastive.vector_q import ReadQ
from handrail.networks.image_autoencoder import ImageDecoder, ImageEncoder
from handrail.networks.image_network import BYTES, ImageNetwork, ImageValues
from handrail.networks.pixels import NatureQ, PixelDecoder, PixelEncoder
from handrail.networks.reading import Reading, ReadInputs, Standardised, measured

KEY = jax.random.key(0)
PIXELS = jnp.asarray(np.random.default_rng(0).integers(0, 256, (84, 84, 3), np.uint8))
SMALL = ImageNetwork((4,), (8,), (8,), (6,))


def reading(shape, network=SMALL, values=BYTES, **others):
    """Of one image beside vectors of these sizes."""
    shapes = {"image": shape, **{name: (size,) for name, size in others.items()}}
    found = Reading.of(shapes, {"image": values}, network)
    assert found is not None
    return found


def with_arrays_of(fresh, trained):
    """A network with the arrays of one that is built otherwise, in the same order."""
    arrays = jax.tree.leaves(eqx.filter(trained, eqx.is_array))
    dynamic, static = eqx.partition(fresh, eqx.is_array)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(dynamic), arrays), static)


def test_the_default_is_the_papers_network_of_action_values():
    nature = NatureQ(7, key=KEY)
    fresh = ReadQ.fresh(reading((84, 84, 3), ImageNetwork()), (), 7, key=KEY)
    ours = with_arrays_of(fresh, nature)
    np.testing.assert_allclose(ours(PIXELS), nature(PIXELS), rtol=1e-5, atol=1e-6)
    both = jnp.stack([PIXELS, 255 - PIXELS])
    np.testing.assert_allclose(ours.batch(both), nature.batch(both), rtol=1e-5, atol=1e-6)


def test_the_default_is_the_papers_auto_encoder():
    read = reading((84, 84, 3), ENCODER_IMAGES)
    theirs = PixelEncoder(5, key=KEY), PixelDecoder(5, key=KEY)
    encoder = with_arrays_of(ImageEncoder(read, 5, key=KEY), theirs[0])
    decoder = with_arrays_of(ImageDecoder(read, 5, key=KEY), theirs[1])
    vector = observation_vector(PIXELS)
    latent = theirs[0](PIXELS)
    np.testing.assert_allclose(encoder(vector), latent, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        decoder(latent).reshape(84, 84, 3), theirs[1](latent), rtol=1e-4, atol=1e-5
    )
    error = decoder.batch_error(latent[None], vector[None])
    np.testing.assert_allclose(error, theirs[1].batch_error(latent[None], PIXELS[None]), rtol=1e-5)


def test_numbers_stand_beside_the_features_of_the_image():
    read = reading((32, 40, 3), ImageNetwork((4,), (8,), (8,), ()), after=2, before=1)
    inputs = ReadInputs.fresh(read, key=KEY)
    image = PIXELS[:32, :40]
    seen = {"image": image, "after": jnp.array([5.0, 6.0]), "before": jnp.array([7.0])}
    features = inputs(observation_vector(seen))
    assert features.shape == (read.width,) == (4 * 5 * 4 + 3,)
    np.testing.assert_array_equal(features[-3:], [5, 6, 7])
    alone = ReadInputs(inputs.convs, (), None, reading((32, 40, 3), read.network))
    np.testing.assert_array_equal(features[:-3], alone(observation_vector(image)))


def test_a_stack_of_frames_is_an_image_of_their_channels():
    stack = jnp.stack([PIXELS[:40, :32], PIXELS[40:80, 32:64]])
    read, flat = reading((2, 40, 32, 3)), reading((40, 32, 6))
    inputs = ReadInputs.fresh(read, key=KEY)
    same = ReadInputs(inputs.convs, inputs.hidden, None, flat)
    joined = jnp.concatenate(list(stack), axis=-1)
    np.testing.assert_array_equal(inputs(stack.ravel()), same(joined.ravel()))
    part = read.images[0]
    np.testing.assert_array_equal(part.vector(part.framed(stack.ravel())), stack.ravel())


@pytest.mark.parametrize("signed", [False, True])
def test_floats_within_their_bounds_are_read_as_bytes_are(signed):
    bytes_, floats = (
        reading((32, 32, 3)),
        reading((32, 32, 3), values=ImageValues(-1, 3, "float32")),
    )
    found = []
    for read, image in ((bytes_, PIXELS[:32, :32]), (floats, PIXELS[:32, :32] / 255 * 4 - 1)):
        scaled = ReadInputs.fresh(read, key=KEY).reading
        scaled = type(scaled)(scaled.parts, scaled.network, signed=signed)
        found.append(scaled.scaled(scaled.images[0], jnp.asarray(image)))
    np.testing.assert_allclose(*found, atol=0.01 if signed else 1e-6)
    assert found[1].min() >= (-1 if signed else 0) and found[1].max() <= 1


def test_a_batch_and_its_gradient_equal_those_of_its_members():
    read = reading((32, 32, 1), pair=2)
    inputs = ReadInputs.fresh(read, key=KEY)
    vectors = jax.random.uniform(KEY, (6, read.size))
    both = [lambda net: net.batch(vectors), lambda net: jax.vmap(net)(vectors)]
    grads = [jax.jit(jax.grad(lambda net, f=f: jnp.sum(f(net) ** 2)))(inputs) for f in both]
    np.testing.assert_allclose(both[0](inputs), both[1](inputs), rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *grads)


def test_strides_that_do_not_divide_the_sides_are_reconstructed_whole():
    read = reading((33, 38, 1), ImageNetwork((2, 3), (3, 4), (3, 2), ()), rest=2)
    decoder = ImageDecoder(read, 5, key=KEY)
    vector = jnp.arange(read.size, dtype=jnp.float32)
    assert decoder(jnp.ones(5)).shape == decoder.target(vector).shape == (read.size,)


def test_an_image_too_small_for_the_kernels_names_both_sizes():
    with pytest.raises(HandrailError, match=r"'image' has 32 × 35 pixels.*need 36 × 36"):
        reading((32, 35, 3), ImageNetwork())
    assert ImageNetwork().smallest == 36 and ImageNetwork().sides(36)[-1] == 1
    with pytest.raises(HandrailError, match="2 channels, 1 kernels and 1 strides"):
        ImageNetwork((4, 4), (3,), (1,))


def test_numbers_are_standardised_by_the_filled_rows_and_then_stay():
    read = Reading.of({"far": (1,), "near": (2,)}, {}, SMALL, normalised=True)
    assert read is not None
    inputs = ReadInputs.fresh(read, key=KEY)
    vector = jnp.array([5_000.0, 0.01, 3.0])
    np.testing.assert_array_equal(inputs(vector), vector)  # until they are measured
    rows = {"far": jnp.array([[4_000.0], [6_000.0], [9e9]]),
            "near": jnp.array([[0.0, 3.0], [0.02, 3.0], [9e9, 9e9]])}  # fmt: skip
    known = measured(inputs, rows, jnp.array([True, True, False]))
    np.testing.assert_allclose(known(jnp.array([6_000.0, 0.0, 3.5])), [1, -1, 0.5], atol=1e-5)
    np.testing.assert_allclose(known(jnp.array([1e9, 0.01, 3.0])), [10, 0, 0], atol=1e-4)
    gradient = jax.grad(lambda net: jnp.sum(net(vector)))(known)
    assert all(not np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(gradient))


def test_standardised_starts_unknown():
    assert float(Standardised.fresh(3).known) == 0
