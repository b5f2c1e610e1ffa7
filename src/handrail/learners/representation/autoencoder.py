"""Auto-encoders of observations: reconstruction plus a term that shapes the latent space.

A *variant* is that term. It says how latents are taken from the encoder and what is
added to `reconstruction_coef` · mean squared error; the learner does the rest and knows
neither the variant nor whether observations are images or vectors.
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.equations.contrastive import contrastive_loss, gaussian_kl, info_nce, latent_energy
from handrail.networks.autoencoder import Autoencoder, reparameterise

Labels = Bool[Array, " batch"] | Int[Array, " batch"]
Scalar = Float[Array, ""]


class AbstractVariant(eqx.Module):
    """How latents are taken from the encoder, and what shapes them."""

    @abc.abstractmethod
    def __call__(
        self, encoder: Any, observations: Array, unsafe_labels: Labels, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch latent"], Scalar, dict[str, Scalar]]:
        """Latents to decode, the weighted term to add to the loss, and metrics."""


class Vanilla(AbstractVariant):
    """No labels: a penalty on the mean squared norm of the latents."""

    latent_norm_coef: float = 1e-4

    def __call__(self, encoder, observations, unsafe_labels, *, key):
        latents = encoder.batch(observations)
        energy = latent_energy(latents)
        return latents, self.latent_norm_coef * energy, {"autoencoder/latent_norm": energy}


class Contrastive(AbstractVariant):
    """Pairs of one label attract, pairs of different labels repel (arXiv:2503.10318)."""

    margin: float = 10.0
    coef: float = 0.5

    def __call__(self, encoder, observations, unsafe_labels, *, key):
        latents = encoder.batch(observations)
        term = contrastive_loss(latents, unsafe_labels.astype(bool), self.margin)
        metrics = {
            "autoencoder/contrastive": term,
            "autoencoder/latent_norm": latent_energy(latents),
        }
        return latents, self.coef * term, metrics


class InfoNCE(AbstractVariant):
    """Each latent must find a random other one of its own label among all keys.

    The partner of an observation is drawn from the batch's observations with the same label
    (itself if it is the only one).
    """

    temperature: float = 0.1
    coef: float = 0.5

    def __call__(self, encoder, observations, unsafe_labels, *, key):
        latents = encoder.batch(observations)
        labels = unsafe_labels.astype(bool)
        partner = _partners(labels, key=key)
        term = info_nce(latents, latents[partner], self.temperature)
        return latents, self.coef * term, {"autoencoder/contrastive": term}


class Variational(AbstractVariant):
    """Latents are sampled; KL divergence to the standard normal. Needs `VariationalEncoder`."""

    kl_coef: float = 1e-4

    def __call__(self, encoder, observations, unsafe_labels, *, key):
        mean, log_variance = encoder.distribution(observations)
        noise = jax.random.normal(key, mean.shape)
        kl = gaussian_kl(mean, log_variance)
        latents = reparameterise(mean, log_variance, noise)
        return latents, self.kl_coef * kl, {"autoencoder/kl": kl}


def _partners(labels: Bool[Array, " batch"], *, key: Key[Array, ""]) -> Int[Array, " batch"]:
    """For each member another one of its label, uniformly."""
    same = labels[:, None] == labels[None, :]
    others = same & ~jnp.eye(len(labels), dtype=bool)
    others = jnp.where(jnp.any(others, axis=1, keepdims=True), others, same)
    return jax.random.categorical(key, jnp.where(others, 0.0, -jnp.inf), axis=-1)


def total_loss(
    autoencoder: Autoencoder,
    variant: AbstractVariant,
    reconstruction_coef: float,
    observations: Array,
    unsafe_labels: Labels,
    *,
    key: Key[Array, ""],
) -> tuple[Scalar, dict[str, Scalar]]:
    """`reconstruction_coef` · reconstruction + the variant's term; and the metrics."""
    encoder = autoencoder.encoder
    latents, term, metrics = variant(encoder, observations, unsafe_labels, key=key)
    error = autoencoder.decoder.batch_error(latents, observations)
    loss = reconstruction_coef * error + term
    return loss, {"autoencoder/loss": loss, "autoencoder/reconstruction": error, **metrics}


class AutoencoderState(eqx.Module):
    """The networks and their optimisers' states."""

    model: Autoencoder
    encoder_optimiser: optax.OptState
    decoder_optimiser: optax.OptState


class AutoencoderLearner(eqx.Module):
    """One gradient step on a batch; encoder and decoder are clipped and stepped separately.

    Defaults are those of arXiv:2503.10318's scripts: Adam 2.5e-4 with epsilon 1e-5, each
    network's gradient clipped to a global norm of 0.5 on its own.
    """

    make: Callable[..., Autoencoder] = eqx.field(static=True)  # of a key
    loss: AbstractVariant = Contrastive()
    reconstruction_coef: float = 100.0
    learning_rate: float = eqx.field(static=True, default=2.5e-4)
    max_norm: float = eqx.field(static=True, default=0.5)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Of the encoder, and of the decoder."""
        return optax.chain(
            optax.clip_by_global_norm(self.max_norm), optax.adam(self.learning_rate, eps=1e-5)
        )

    def init(self, key: Key[Array, ""]) -> AutoencoderState:
        """Fresh networks and optimisers."""
        model = self.make(key=key)
        return AutoencoderState(
            model=model,
            encoder_optimiser=self.optimiser.init(eqx.filter(model.encoder, eqx.is_array)),
            decoder_optimiser=self.optimiser.init(eqx.filter(model.decoder, eqx.is_array)),
        )

    def update(
        self,
        state: AutoencoderState,
        observations: Array,
        unsafe_labels: Labels,
        *,
        key: Key[Array, ""],
    ) -> tuple[AutoencoderState, dict[str, Scalar]]:
        """One step on a batch `(batch, ...)` with labels `(batch,)`, true where unsafe.

        Metrics are `autoencoder/loss`, `/reconstruction`, those of the variant, and
        `/encoder_gradient` and `/decoder_gradient`: global norms before clipping.
        """
        gradient, metrics = eqx.filter_grad(total_loss, has_aux=True)(
            state.model, self.loss, self.reconstruction_coef, observations, unsafe_labels, key=key
        )
        encoder, encoder_optimiser = self._step(
            state.model.encoder, gradient.encoder, state.encoder_optimiser
        )
        decoder, decoder_optimiser = self._step(
            state.model.decoder, gradient.decoder, state.decoder_optimiser
        )
        metrics["autoencoder/encoder_gradient"] = optax.tree.norm(gradient.encoder)
        metrics["autoencoder/decoder_gradient"] = optax.tree.norm(gradient.decoder)
        state = AutoencoderState(
            Autoencoder(encoder, decoder), encoder_optimiser, decoder_optimiser
        )
        return state, metrics

    def step_encoder(self, state: AutoencoderState, gradient: Any) -> AutoencoderState:
        """A step of the encoder alone, on another loss's gradient (the Q-network reads it)."""
        encoder, optimiser = self._step(state.model.encoder, gradient, state.encoder_optimiser)
        return AutoencoderState(
            Autoencoder(encoder, state.model.decoder), optimiser, state.decoder_optimiser
        )

    def _step(self, network, gradient, optimiser_state):
        arrays = eqx.filter(network, eqx.is_array)
        updates, optimiser_state = self.optimiser.update(gradient, optimiser_state, arrays)
        return eqx.apply_updates(network, updates), optimiser_state
