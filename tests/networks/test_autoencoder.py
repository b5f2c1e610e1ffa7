import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.learners.representation.autoencoder import (
    AutoencoderLearner,
    Contrastive,
    InfoNCE,
    Vanilla,
    Variational,
    _partners,
)
from handrail.networks.autoencoder import (
    Autoencoder,
    MLPDecoder,
    MLPEncoder,
    VariationalEncoder,
)
from handrail.networks.example_sums import sum_over_examples
from handrail.networks.pixels import PixelDecoder


def pair(*, key, variational=False):
    first, second, third = jax.random.split(key, 3)
    encoder = MLPEncoder((12, 16, 4), key=first)
    if variational:
        encoder = VariationalEncoder(encoder, 4, key=third)
    return Autoencoder(encoder, MLPDecoder((4, 16, 12), key=second))


def batch():
    bits = jax.random.bernoulli(jax.random.key(1), 0.4, (24, 12)).astype(jnp.uint8)
    return bits, bits[:, 0] == 1


VARIANTS = [Contrastive(), Vanilla(), Variational(), InfoNCE()]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: type(v).__name__)
def test_every_variant_learns_to_reconstruct_vectors(variant):
    def make(*, key):
        return pair(key=key, variational=isinstance(variant, Variational))

    learner = AutoencoderLearner(make=make, loss=variant, learning_rate=3e-3, max_norm=50.0)
    observations, unsafe = batch()

    def step(state, key):
        return learner.update(state, observations, unsafe, key=key)

    keys = jax.random.split(jax.random.key(2), 200)
    state, metrics = jax.jit(lambda s: jax.lax.scan(step, s, keys))(learner.init(jax.random.key(0)))
    error = metrics["autoencoder/reconstruction"]
    assert error[-1] < 0.5 * error[0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(metrics))
    assert state.model(observations[0]).shape == (12,)


def test_contrastive_separates_labels_and_vanilla_need_not():
    def gap(variant):
        learner = AutoencoderLearner(make=pair, loss=variant, learning_rate=3e-3, max_norm=50.0)
        observations, unsafe = batch()
        keys = jax.random.split(jax.random.key(2), 400)

        def step(state, key):
            return learner.update(state, observations, unsafe, key=key)

        state, _ = jax.jit(lambda s: jax.lax.scan(step, s, keys))(learner.init(jax.random.key(0)))
        latents = state.model.encoder.batch(observations)
        squared = jnp.sum((latents[:, None] - latents[None]) ** 2, axis=-1)
        same = unsafe[:, None] == unsafe[None]
        return squared[~same].mean() / squared[same].mean()

    separated = gap(Contrastive(margin=10.0, coef=50.0))
    assert separated > 5
    assert gap(Vanilla()) < separated


def test_networks_are_clipped_on_their_own():
    # With a huge reconstruction coefficient both gradients are far over the limit; the size of
    # the clipped step then depends only on each network's own direction.
    learner = AutoencoderLearner(make=pair, loss=Vanilla(0.0), reconstruction_coef=1e6)
    observations, unsafe = batch()
    state = learner.init(jax.random.key(0))
    key = jax.random.key(3)
    after, metrics = eqx.filter_jit(learner.update)(state, observations, unsafe, key=key)
    assert metrics["autoencoder/encoder_gradient"] > 1
    assert metrics["autoencoder/decoder_gradient"] > 1
    for optimiser in (after.encoder_optimiser, after.decoder_optimiser):
        mean = optimiser[1][0].mu  # after one step 0.1 · the clipped gradient
        norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(mean)))
        np.testing.assert_allclose(norm, 0.1 * 0.5, rtol=1e-4)


def test_metrics_and_variational_mean():
    model = pair(key=jax.random.key(0), variational=True)
    observations, _ = batch()
    mean, log_variance = model.encoder.distribution(observations)
    np.testing.assert_allclose(model.encoder(observations[3]), mean[3], atol=1e-6)
    keys = jax.random.split(jax.random.key(4), 20_000)
    draws = jax.vmap(lambda key: model.encoder.sample(observations[3], key=key))(keys)
    np.testing.assert_allclose(draws.mean(0), mean[3], atol=0.05)
    np.testing.assert_allclose(draws.std(0), np.exp(0.5 * log_variance[3]), rtol=0.05)


def test_partners_share_the_label_and_are_others():
    labels = jnp.array([True, False, False, True, False])
    for seed in range(20):
        partner = np.asarray(_partners(labels, key=jax.random.key(seed)))
        np.testing.assert_array_equal(labels[partner], labels)
        assert (partner != np.arange(5)).all()
    alone = _partners(jnp.array([True, False, False]), key=jax.random.key(0))
    assert alone[0] == 0


def test_sum_over_examples_has_the_gradients_of_the_plain_sum():
    def loss(parameters, x, label):
        return jnp.sum(jnp.tanh(parameters["w"] @ x) ** 2) * label

    parameters = {"w": jax.random.normal(jax.random.key(0), (3, 4))}
    inputs = jax.random.normal(jax.random.key(1), (7, 4))
    data = jnp.arange(7)

    def plain(parameters, inputs):
        return 2.5 * jnp.sum(jax.vmap(loss, (None, 0, 0))(parameters, inputs, data))

    def ours(parameters, inputs):
        return 2.5 * sum_over_examples(loss, parameters, inputs, data)

    np.testing.assert_allclose(ours(parameters, inputs), plain(parameters, inputs), rtol=1e-5)
    for a, b in zip(
        jax.tree.leaves(jax.grad(ours, (0, 1))(parameters, inputs)),
        jax.tree.leaves(jax.grad(plain, (0, 1))(parameters, inputs)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_pixel_decoder_error_is_the_mean_over_frames_and_elements():
    decoder = PixelDecoder(4, key=jax.random.key(0))
    frames = jax.random.randint(jax.random.key(1), (2, 84, 84, 3), 0, 256).astype(jnp.uint8)
    latents = jax.random.normal(jax.random.key(2), (2, 4))
    plain = eqx.filter_jit(
        lambda d: jnp.mean((jax.vmap(d)(latents) - jax.vmap(d.target)(frames)) ** 2)
    )
    ours = eqx.filter_jit(lambda d: d.batch_error(latents, frames))(decoder)
    np.testing.assert_allclose(ours, plain(decoder), rtol=1e-5)
