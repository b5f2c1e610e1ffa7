"""Losses on latents against the recorded originals, and where they could fail to be finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import contrastive as equations
from tests.support import SOURCES, contrastive, part


def cases(source):
    recorded = contrastive("a2_contrastive", source)
    return [(name, part(recorded, name)) for name in recorded["case_names"].tolist()]


def total(case, decoder, latents):
    """The recording's whole loss: a one-layer decoder, reconstruction and contrastive term."""
    weight, bias = decoder
    decoded = jnp.tanh(latents @ weight + bias[None]).reshape(case["target"].shape)
    terms = {
        "reconstruction": jnp.mean(jnp.square(decoded - case["target"])),
        "contrastive": equations.contrastive_loss(
            latents, jnp.asarray(case["unsafe_label"] == 1), float(case["margin"])
        ),
    }
    weighted = 100.0 * terms["reconstruction"] + float(case["coef"]) * terms["contrastive"]
    return weighted, terms


@pytest.mark.parametrize("source", SOURCES)
def test_losses_and_gradients_are_the_originals(source):
    recorded = contrastive("a2_contrastive", source)
    with jax.enable_x64(True):
        decoder = [jnp.asarray(recorded[f"decoder_{k}"], jnp.float64) for k in "Wb"]
        for name, case in cases(source):
            latents = jnp.asarray(case["latent"], jnp.float64)
            (loss, terms), gradient = jax.value_and_grad(
                lambda z, case=case: total(case, decoder, z), has_aux=True
            )(latents)
            # The original divides counts in float32: its float64 is good to 2e-8.
            for ours, key in (
                (loss, "loss"),
                (terms["reconstruction"], "reconstruct_loss"),
                (terms["contrastive"], "latent_dist_loss"),
                (equations.latent_energy(latents), "latent_norm"),
            ):
                np.testing.assert_allclose(ours, case[f"{key}_f64"], rtol=3e-8, err_msg=name)
            pull = jax.grad(equations.contrastive_loss)(
                latents, jnp.asarray(case["unsafe_label"] == 1), float(case["margin"])
            )
            for ours, key in ((gradient, "grad_loss"), (pull, "grad_latent_dist_loss")):
                if f"{key}_f64" in case:
                    reference = case[f"{key}_f64"]
                    np.testing.assert_allclose(ours, reference, rtol=1e-6, atol=2e-7, err_msg=name)


@pytest.mark.parametrize("source", SOURCES)
def test_single_precision_agrees(source):
    for name, case in cases(source):
        loss = equations.contrastive_loss(
            jnp.asarray(case["latent"]),
            jnp.asarray(case["unsafe_label"] == 1),
            float(case["margin"]),
        )
        np.testing.assert_allclose(loss, case["latent_dist_loss_f32"], rtol=5e-6, err_msg=name)


@pytest.mark.parametrize("source", SOURCES)
def test_terms_of_the_real_auto_encoders(source):
    recorded = contrastive("a2b_autoencoder_steps", source)
    steps = [k for k in recorded if k.startswith("ae/") and k.endswith("/latent")]
    for step in (k.removesuffix("/latent") for k in steps):
        latents = jnp.asarray(recorded[f"{step}/latent"])
        unsafe = jnp.asarray(recorded[f"{step}/unsafe_label"] == 1)
        energy = equations.latent_energy(latents)
        np.testing.assert_allclose(energy, recorded[f"{step}/latent_norm"], rtol=1e-5)
        loss = equations.contrastive_loss(latents, unsafe)
        np.testing.assert_allclose(loss, recorded[f"{step}/latent_dist_loss"], rtol=1e-5)
    kl = equations.gaussian_kl(
        jnp.asarray(recorded["vae/step0/mu"]), jnp.asarray(recorded["vae/step0/log_var"])
    )
    np.testing.assert_allclose(kl, recorded["vae/step0/kl_loss"], rtol=1e-5)


def loops(latents, unsafe, margin, *, hinge=lambda margin, d: max(margin - d * d, 0.0), same=None):
    """A slow twin: two Python loops over the pairs."""
    attract, repel = [], []
    for i, x in enumerate(latents):
        for j, y in enumerate(latents):
            d = float(np.sqrt(np.sum((x - y) ** 2)))
            if unsafe[i] == unsafe[j]:
                if i != j or same != "without the diagonal":
                    attract.append(d * d)
            else:
                repel.append(hinge(margin, d))
    return 0.5 * sum(np.mean(kind) for kind in (attract, repel) if kind)


@pytest.mark.parametrize(
    "wrong",
    [{"hinge": lambda margin, d: max(margin - d, 0.0) ** 2}, {"same": "without the diagonal"}],
    ids=["(margin - d)²", "no diagonal"],
)
def test_near_misses_fail_the_recording(wrong):
    case = part(contrastive("a2_contrastive", "subset"), "B16_8unsafe_m10")
    arguments = (case["latent"].astype(float), case["unsafe_label"], float(case["margin"]))
    reference = case["latent_dist_loss_f64"]
    assert loops(*arguments) == pytest.approx(reference, rel=1e-7)
    assert abs(loops(*arguments, **wrong) - reference) > 1e-2


@given(st.integers(2, 6), st.integers(0, 10_000), st.floats(0.1, 3.0))
def test_equals_the_loops_and_ignores_order(size, seed, scale):
    rng = np.random.default_rng(seed)
    latents = scale * rng.normal(size=(size, 4)).astype(np.float32)
    unsafe = rng.random(size) < 0.5
    loss = equations.contrastive_loss(jnp.asarray(latents), jnp.asarray(unsafe))
    np.testing.assert_allclose(loss, loops(latents, unsafe, 10.0), rtol=1e-5, atol=1e-6)
    order = rng.permutation(size)
    shuffled = equations.contrastive_loss(jnp.asarray(latents[order]), jnp.asarray(~unsafe[order]))
    np.testing.assert_allclose(loss, shuffled, rtol=1e-5, atol=1e-6)  # nor do the labels' names


@pytest.mark.parametrize("latents", ["random", "identical", "zero", "huge"])
@pytest.mark.parametrize("labels", ["all safe", "all unsafe", "one unsafe", "single"])
def test_finite_with_finite_gradients(latents, labels):
    size = 1 if labels == "single" else 6
    z = jax.random.normal(jax.random.key(0), (size, 5))
    z = {"random": z, "identical": jnp.tile(z[:1], (size, 1)), "zero": 0 * z, "huge": 1e4 * z}
    unsafe = {"all safe": 0, "all unsafe": size, "one unsafe": 1, "single": 0}[labels]
    value, gradient = jax.value_and_grad(equations.contrastive_loss)(
        z[latents], jnp.arange(size) < unsafe
    )
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(gradient))
    if latents == "identical":
        assert jnp.all(gradient == 0)


def test_info_nce_at_its_extremes():
    apart = jnp.eye(4)
    assert equations.info_nce(apart, apart, 0.05) < 1e-6
    together = jnp.ones((4, 3))
    np.testing.assert_allclose(equations.info_nce(together, together), np.log(4), rtol=1e-6)
    assert equations.info_nce(apart, apart[::-1], 0.05) > 10
    assert jnp.all(jnp.isfinite(jax.grad(equations.info_nce)(jnp.zeros((4, 4)), apart)))


def test_kl_is_zero_only_at_the_prior():
    assert equations.gaussian_kl(jnp.zeros((2, 3)), jnp.zeros((2, 3))) == 0.0
    assert equations.gaussian_kl(jnp.ones((2, 3)), jnp.zeros((2, 3))) == pytest.approx(1.5)
