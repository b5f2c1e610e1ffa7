"""Losses, gradients and parameters of the original PyTorch networks, recorded.

`tests/data/networks.npz` holds the double-DQN steps of the convolutional network (`a6/`), the
auto-encoder steps (`a2b/`) and the frames they were taken on.
"""

import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from handrail.equations.contrastive import gaussian_kl
from handrail.learners.representation.autoencoder import (
    AbstractVariant,
    AutoencoderLearner,
    Contrastive,
    Vanilla,
    reparameterise,
    total_loss,
)
from handrail.networks.autoencoder import Autoencoder, VariationalEncoder
from handrail.networks.mlp import MLP
from handrail.networks.pixels import NatureQ, PixelDecoder, PixelEncoder
from tests.networks import torch_parameters as torch

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def recorded():
    with np.load(Path(__file__).parents[1] / "data" / "networks.npz") as file:
        return {name: file[name] for name in file.files}


def shapes(order) -> dict[str, tuple[int, ...]]:
    pairs = (str(entry).split(":") for entry in order)
    return {name: tuple(int(n) for n in dims.split("x")) for name, dims in pairs}


def built(network, layout, recorded, seed, scale, order):
    return torch.load(network, torch.drawn(recorded[seed], recorded[scale], order), layout)


# ------------------------------------------------------------------ the Q-network


def q_networks(recorded):
    order = recorded["a6/conv/param_order"]
    pair = [
        built(
            NatureQ(7, key=KEY),
            torch.NATURE,
            recorded,
            f"a6/conv/param_seed_{name}",
            "a6/conv/param_scale",
            order,
        )
        for name in ("online", "target")
    ]
    return *pair, shapes(order)


def test_q_network_steps(recorded):
    online, target, torch_shapes = q_networks(recorded)
    batch = {name: recorded[f"a6/conv/batch/{name}"] for name in ("action", "reward", "done")}
    obs, next_obs = (
        jnp.asarray(recorded[f"a6/conv/batch/{name}"].transpose(0, 2, 3, 1))
        for name in ("obs", "next_obs")
    )
    weight = jnp.asarray(recorded["a6/conv/batch/is_weight"], jnp.float32)
    rows = np.arange(len(obs))
    values = eqx.filter_jit(lambda network, frames: network.batch(frames))
    np.testing.assert_allclose(values(online, obs), recorded["a6/conv/q_values"], atol=2e-6)
    target_next = values(target, next_obs)
    np.testing.assert_allclose(target_next, recorded["a6/conv/target_q_next"], atol=2e-6)

    @eqx.filter_jit
    def graded(network, goal):
        def loss(network):
            q = network.batch(obs)[rows, batch["action"]]
            return jnp.mean(weight * jnp.square(goal - q)), q

        return eqx.filter_value_and_grad(loss, has_aux=True)(network)

    optimiser = optax.adam(2.5e-4)
    state = optimiser.init(online)
    for step in range(2):
        prefix = f"a6/conv/per_f32/step{step}"
        best = np.argmax(values(online, next_obs), axis=1)
        np.testing.assert_array_equal(best, recorded[f"{prefix}/online_argmax_next"])
        alive = 1 - batch["done"].astype(np.float32)
        goal = batch["reward"].astype(np.float32) + 0.99 * alive * target_next[rows, best]
        np.testing.assert_allclose(goal, recorded[f"{prefix}/td_target"], atol=2e-6)
        (loss, q), gradient = graded(online, goal)
        np.testing.assert_allclose(loss, recorded[f"{prefix}/loss"], rtol=1e-4)
        np.testing.assert_allclose(q, recorded[f"{prefix}/q_sa_before"], atol=2e-5)
        updates, state = optimiser.update(gradient, state)
        online = eqx.apply_updates(online, updates)
        seen = torch.flat(gradient, torch_shapes, torch.NATURE)
        after = torch.flat(online, torch_shapes, torch.NATURE)
        for name, values_seen in seen.items():
            index = recorded[f"{prefix}/index/{name}"]
            wanted = recorded[f"{prefix}/grad_at_index/{name}"]
            size = np.abs(wanted).max()
            np.testing.assert_allclose(values_seen[index], wanted, atol=3e-3 * size + 1e-7)
            norm = recorded[f"{prefix}/grad_l2/{name}"]
            np.testing.assert_allclose(np.linalg.norm(values_seen), norm, rtol=1e-3)
            # The first Adam steps have the size of the learning rate whatever the gradient, so
            # compare where the gradient is not rounding noise.
            clear = np.abs(wanted) > 1e-2 * size
            np.testing.assert_allclose(
                after[name][index][clear],
                recorded[f"{prefix}/param_after_at_index/{name}"][clear],
                atol=5e-6,
            )


# --------------------------------------------------------------- the auto-encoders


class GivenNoise(AbstractVariant):
    """The variational term with recorded noise instead of a draw."""

    noise: jax.Array
    kl_coef: float = 1e-4

    def __call__(self, encoder, observations, unsafe_labels, *, key):
        mean, log_variance = encoder.distribution(observations)
        kl = gaussian_kl(mean, log_variance)
        latents = reparameterise(mean, log_variance, self.noise)
        return latents, self.kl_coef * kl, {"autoencoder/kl": kl}


def autoencoder(recorded, kind):
    order = recorded[f"a2b/{kind}/param_order_encoder"]
    parameters = torch.drawn(
        recorded[f"a2b/{kind}/param_seed_encoder"], recorded[f"a2b/{kind}/param_scale"], order
    )
    encoder = torch.load(PixelEncoder(key=KEY), parameters, torch.ENCODER)
    layout = torch.ENCODER
    if kind == "vae":
        encoder = torch.load(VariationalEncoder(encoder, key=KEY), parameters, torch.VAE_HEADS)
        layout = torch.VAE
    decoder = built(
        PixelDecoder(key=KEY),
        torch.DECODER,
        recorded,
        f"a2b/{kind}/param_seed_decoder",
        f"a2b/{kind}/param_scale",
        recorded["a2b/ae/param_order_decoder"],
    )
    return Autoencoder(encoder, decoder), layout, shapes(order)


def clipped(gradient, limit=0.5):
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
    return jax.tree.map(lambda g: g * jnp.minimum(1.0, limit / norm), gradient), norm


def compare(recorded, prefix, gradient, network, layout, torch_shapes):
    """Clipped gradients and, where these are not tiny, the parameters after the step."""
    seen = torch.flat(gradient, torch_shapes, layout)
    after = torch.flat(network, torch_shapes, layout)
    for name, ours in seen.items():
        index = recorded[f"{prefix}/index/{name}"]
        wanted = recorded[f"{prefix}/grad_clipped_at_index/{name}"]
        norm = recorded[f"{prefix}/grad_clipped_l2/{name}"]
        np.testing.assert_allclose(np.linalg.norm(ours), norm, rtol=2e-3, err_msg=name)
        scale = max(np.abs(wanted).max(), float(norm) / math.sqrt(ours.size))
        # A unit whose input is within rounding of 0 may be off here and on there: at most one.
        differ = np.abs(ours[index] - wanted) > 5e-3 * scale
        assert differ.sum() <= 1, f"{name}: {ours[index]} against {wanted}"
        clear = (np.abs(wanted) > 0.1 * scale) & ~differ
        np.testing.assert_allclose(
            after[name][index][clear],
            recorded[f"{prefix}/param_after_at_index/{name}"][clear],
            atol=1e-5,
            err_msg=name,
        )


@pytest.mark.parametrize(
    "kind, steps", [("ae", 3), ("plain_ae", 1), ("vae", 1)], ids=lambda value: str(value)
)
def test_autoencoder_steps(recorded, kind, steps):
    source = "ae" if kind == "plain_ae" else kind
    model, layout, torch_shapes = autoencoder(recorded, source)
    decoder_shapes = shapes(recorded["a2b/ae/param_order_decoder"])
    if kind == "vae":
        noise = recorded["a2b/vae/step0/noise(order: next_obs, obs)"][1]
        variant = GivenNoise(jnp.asarray(noise))
    else:
        variant = Contrastive(margin=10.0, coef=0.5) if kind == "ae" else Vanilla()
    learner = AutoencoderLearner(make=lambda *, key: model, loss=variant)
    state = learner.init(KEY)
    update = eqx.filter_jit(lambda state, x, y: learner.update(state, x, y, key=KEY))
    graded = eqx.filter_jit(
        lambda m, x, y: eqx.filter_grad(total_loss, has_aux=True)(m, variant, 100.0, x, y, key=KEY)
    )
    for step in range(steps):
        prefix = f"a2b/{kind}/step{step}"
        frames = jnp.asarray(recorded["frames"][recorded[f"{prefix}/rows"]])
        labels = recorded.get(f"{prefix}/unsafe_label", np.zeros(len(frames), np.int64))
        labels = jnp.asarray(labels, bool)
        gradient, _ = graded(state.model, frames, labels)
        state, metrics = update(state, frames, labels)
        tolerance = 1e-4 if step == 0 else 2e-3  # Adam's first steps magnify rounding
        names = {
            "loss": "loss",
            "reconstruction": "reconstruct_loss",
            "latent_norm": "latent_norm",
            "contrastive": "latent_dist_loss",
            "kl": "kl_loss",
        }
        checked = 0
        for ours, theirs in names.items():
            if f"autoencoder/{ours}" in metrics and f"{prefix}/{theirs}" in recorded:
                wanted = recorded[f"{prefix}/{theirs}"]
                got = metrics[f"autoencoder/{ours}"]
                np.testing.assert_allclose(got, wanted, rtol=tolerance, err_msg=ours)
                checked += 1
        assert checked >= 3
        norms = recorded[f"{prefix}/grad_norm_before_clip(encoder,decoder)"]
        encoder_gradient, encoder_norm = clipped(gradient.encoder)
        decoder_gradient, decoder_norm = clipped(gradient.decoder)
        np.testing.assert_allclose([encoder_norm, decoder_norm], norms, rtol=10 * tolerance)
        np.testing.assert_allclose(metrics["autoencoder/encoder_gradient"], encoder_norm, rtol=1e-4)
        if step == 0:
            args = (encoder_gradient, state.model.encoder, layout, torch_shapes)
            compare(recorded, f"{prefix}/encoder", *args)
            args = (decoder_gradient, state.model.decoder, torch.DECODER, decoder_shapes)
            compare(recorded, f"{prefix}/decoder", *args)


def test_td_step_through_the_encoder(recorded):
    model, layout, torch_shapes = autoencoder(recorded, "ae")
    encoder = model.encoder
    order = [f"network.{2 * i}.{part}" for i in range(3) for part in ("weight", "bias")]
    sizes = ["120x50", "120", "84x120", "84", "7x84", "7"]
    order = [f"{name}:{size}" for name, size in zip(order, sizes, strict=True)]
    q, target = (
        built(
            MLP((50, 120, 84, 7), key=KEY),
            torch.MLP,
            recorded,
            f"a2b/ae_dqn/param_seed_{name}",
            "a2b/ae_dqn/q_param_scale",
            order,
        )
        for name in ("q", "target")
    )
    step = {
        name.removeprefix("a2b/ae_dqn/step0/"): value
        for name, value in recorded.items()
        if name.startswith("a2b/ae_dqn/step0/")
    }
    frames, next_frames = (
        jnp.asarray(recorded["frames"][step[name]]) for name in ("rows", "next_rows")
    )
    rows = np.arange(len(frames))

    @eqx.filter_jit
    def graded(both):
        next_latents = both[0].batch(next_frames)
        best = jnp.argmax(jax.vmap(both[1])(next_latents), axis=1)
        bootstrap = jax.vmap(target)(next_latents)[rows, best]
        goal = jax.lax.stop_gradient(step["reward"] + 0.99 * (1 - step["done"]) * bootstrap)

        def loss(both):
            values = jax.vmap(both[1])(both[0].batch(frames))[rows, step["action"]]
            weight = jnp.asarray(step["is_weight"], jnp.float32)
            return jnp.mean(weight * jnp.square(goal - values)), (goal, values)

        return eqx.filter_value_and_grad(loss, has_aux=True)(both)

    (loss, (goal, values)), (d_encoder, d_q) = graded((encoder, q))
    np.testing.assert_allclose(goal, step["td_target"], atol=3e-6)
    np.testing.assert_allclose(values, step["q_sa"], atol=3e-6)
    np.testing.assert_allclose(loss, step["loss"], rtol=1e-4)
    d_encoder, norm = clipped(d_encoder)
    np.testing.assert_allclose(norm, step["grad_norm_before_clip(encoder_only)"][0], rtol=1e-3)
    adam = optax.adam(2.5e-4, eps=1e-5)
    updates, _ = adam.update(d_encoder, adam.init(encoder))
    after = eqx.apply_updates(encoder, updates)
    prefix = "a2b/ae_dqn/step0"
    compare(recorded, f"{prefix}/encoder", d_encoder, after, layout, torch_shapes)
    seen = torch.flat(d_q, shapes(order), torch.MLP)
    for name, ours in seen.items():
        wanted = recorded[f"{prefix}/q(not_clipped)/grad_clipped_at_index/{name}"]
        index = recorded[f"{prefix}/q(not_clipped)/index/{name}"]
        atol = 3e-3 * np.abs(wanted).max() + 1e-6
        np.testing.assert_allclose(ours[index], wanted, atol=atol, err_msg=name)
