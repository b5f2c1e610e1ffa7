"""Encoder and decoder pairs, for pixels and for vectors, plain and variational.

An *encoder* maps one observation to a latent vector and a batch of them with `batch`. A
*decoder* maps a latent vector to a reconstruction; `batch_error` compares the
reconstructions of a batch with `target(observation)`. Learners know nothing else of them.
"""

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from handrail.networks.mlp import MLP, Linear


class AbstractEncoder(eqx.Module):
    """Observations to latent vectors. `PixelEncoder` conforms without inheriting."""

    @abc.abstractmethod
    def __call__(self, observation: Array) -> Float[Array, " latent"]:
        """The latent vector of one observation."""

    @abc.abstractmethod
    def batch(self, observations: Array) -> Float[Array, "batch latent"]:
        """The latent vectors of a batch."""


class MLPEncoder(AbstractEncoder):
    """A perceptron from a flat observation to a latent vector; bytes are taken as numbers."""

    mlp: MLP

    def __init__(self, sizes: Sequence[int], *, key: Key[Array, ""]):
        self.mlp = MLP(sizes, jax.nn.relu, key=key)

    def __call__(self, observation: Shaped[Array, " observation"]) -> Float[Array, " latent"]:
        return self.mlp(observation)

    def batch(
        self, observations: Shaped[Array, "batch observation"]
    ) -> Float[Array, "batch latent"]:
        return jax.vmap(self.mlp)(observations)


class MLPDecoder(eqx.Module):
    """A perceptron from a latent vector to a flat observation; no squashing at the end."""

    mlp: MLP

    def __init__(self, sizes: Sequence[int], *, key: Key[Array, ""]):
        self.mlp = MLP(sizes, jax.nn.relu, key=key)

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, " observation"]:
        return self.mlp(latent)

    def target(self, observation: Shaped[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The observation as float32."""
        return jnp.asarray(observation, jnp.float32)

    def batch_error(
        self,
        latents: Float[Array, "batch latent"],
        observations: Shaped[Array, "batch observation"],
    ) -> Float[Array, ""]:
        """Mean squared error of the reconstructions, over the batch and its elements."""
        return jnp.mean(jnp.square(jax.vmap(self.mlp)(latents) - self.target(observations)))


def reparameterise(mean: Array, log_variance: Array, noise: Array) -> Array:
    """mean + standard deviation · noise."""
    return mean + noise * jnp.exp(0.5 * log_variance)


class VariationalEncoder(AbstractEncoder):
    """A Gaussian over latent vectors: two linear heads on the relu of any encoder's output.

    Called as a plain encoder it returns the mean. Differs from the paper: its script samples
    latents also when acting; use `sample` for that.
    """

    body: Any
    mean: Linear
    log_variance: Linear

    def __init__(self, body: Any, latent: int = 50, *, key: Key[Array, ""]):
        """`body` is an encoder with `latent` outputs."""
        mean_key, variance_key = jax.random.split(key)
        self.body = body
        self.mean = Linear(latent, latent, key=mean_key)
        self.log_variance = Linear(latent, latent, key=variance_key)

    def __call__(self, observation: Array) -> Float[Array, " latent"]:
        return self.mean(jax.nn.relu(self.body(observation)))

    def batch(self, observations: Array) -> Float[Array, "batch latent"]:
        return self.distribution(observations)[0]

    def distribution(
        self, observations: Array
    ) -> tuple[Float[Array, "batch latent"], Float[Array, "batch latent"]]:
        """Mean and logarithm of the variance for a batch."""
        hidden = jax.nn.relu(self.body.batch(observations))
        return jax.vmap(self.mean)(hidden), jax.vmap(self.log_variance)(hidden)

    def sample(self, observation: Array, *, key: Key[Array, ""]) -> Float[Array, " latent"]:
        """A draw for one observation."""
        hidden = jax.nn.relu(self.body(observation))
        mean = self.mean(hidden)
        noise = jax.random.normal(key, mean.shape)
        return reparameterise(mean, self.log_variance(hidden), noise)


class Autoencoder(eqx.Module):
    """An encoder and its decoder."""

    encoder: Any
    decoder: Any

    def __call__(self, observation: Array) -> Array:
        """The reconstruction of one observation."""
        return self.decoder(self.encoder(observation))
