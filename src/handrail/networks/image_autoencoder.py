"""Auto-encoders of observations with images, beside other numbers or alone.

They see an observation as one vector (`networks.reading`). On 84 × 84 × 3 bytes with the default
convolutions they compute what `pixels.PixelEncoder` and `pixels.PixelDecoder` do.
"""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from handrail.networks.autoencoder import AbstractEncoder
from handrail.networks.convolution import ConvTranspose, fitted
from handrail.networks.example_sums import sum_over_examples
from handrail.networks.mlp import Linear
from handrail.networks.reading import Reading, ReadInputs, ReadPart


class ImageEncoder(AbstractEncoder):
    """Convolutions of the images, and a linear layer from their features to a latent vector."""

    inputs: ReadInputs
    project: Linear

    def __init__(self, reading: Reading, latent: int, *, key: Key[Array, ""]):
        first, second = jax.random.split(key)
        signed = dataclasses.replace(reading, signed=True)
        self.inputs = ReadInputs.fresh(signed, key=first)
        self.project = Linear(signed.width, latent, key=second)

    def __call__(self, observation: Shaped[Array, " n"]) -> Float[Array, " latent"]:
        return self.project(self.inputs(observation))

    def batch(self, observations: Shaped[Array, "batch n"]) -> Float[Array, "batch latent"]:
        return jax.vmap(self.project)(self.inputs.batch(observations))


class ImageDecoder(eqx.Module):
    """A latent vector to a reconstruction: the convolutions mirrored, tanh at the end of images;
    numbers of no image by a linear layer.
    """

    expand: tuple[Linear, ...]
    deconvs: tuple[tuple[ConvTranspose, ...], ...]
    rest: Linear | None
    reading: Reading = eqx.field(static=True)

    def __init__(self, reading: Reading, latent: int, *, key: Key[Array, ""]):
        self.reading = dataclasses.replace(reading, signed=True)
        *keys, last = jax.random.split(key, 2 * len(reading.images) + 1)
        pairs = list(zip(reading.images, keys[::2], keys[1::2], strict=True))
        self.expand = tuple(
            Linear(latent, math.prod(self._deepest(part)), key=k) for part, k, _ in pairs
        )
        self.deconvs = tuple(self._mirrored(part, key=k) for part, _, k in pairs)
        self.rest = Linear(latent, reading.numbers, key=last) if reading.numbers else None

    def _deepest(self, part: ReadPart) -> tuple[int, int, int]:
        """Places and channels of the last convolution."""
        network, (height, width, _) = self.reading.network, part.frame
        return network.sides(height)[-1], network.sides(width)[-1], network.channels[-1]

    def _mirrored(self, part: ReadPart, *, key: Key[Array, ""]) -> tuple[ConvTranspose, ...]:
        network = self.reading.network
        outputs = (part.frame[2], *network.channels[:-1])
        sizes = list(zip(network.channels, outputs, network.kernels, network.strides, strict=True))[
            ::-1
        ]
        keys = jax.random.split(key, len(sizes))
        return tuple(ConvTranspose(*size, key=k) for size, k in zip(sizes, keys, strict=True))

    def _rendered(self, deconvs, number: int, features: Float[Array, " features"]):
        """An image, from −1 to 1."""
        part, network = self.reading.images[number], self.reading.network
        x = jax.nn.relu(features).reshape(self._deepest(part))
        heights, widths = (network.sides(side)[:-1][::-1] for side in part.frame[:2])
        for place, deconv in enumerate(deconvs[number]):
            x = fitted(deconv(x), heights[place], widths[place])
            x = jnp.tanh(x) if place + 1 == len(heights) else jax.nn.relu(x)
        return x

    def _vector(self, deconvs, features, rest) -> Float[Array, " n"]:
        images = [
            self.reading.images[number].vector(self._rendered(deconvs, number, each))
            for number, each in enumerate(features)
        ]
        return jnp.concatenate([*images, rest])

    def _expanded(self, latent: Float[Array, " latent"]):
        rest = jnp.zeros(0) if self.rest is None else self.rest(latent)
        return [layer(latent) for layer in self.expand], rest

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, " n"]:
        """Images first, then the other numbers, as of `target`."""
        return self._vector(self.deconvs, *self._expanded(latent))

    def target(self, observation: Shaped[Array, " n"]) -> Float[Array, " n"]:
        """What a reconstruction is compared with: images from −1 to 1, then the other numbers."""
        images, numbers = self.reading.split(observation)
        scaled = [
            part.vector(self.reading.scaled(part, image))
            for part, image in zip(self.reading.images, images, strict=True)
        ]
        return jnp.concatenate([*scaled, numbers])

    def batch_error(
        self, latents: Float[Array, "batch latent"], observations: Shaped[Array, "batch n"]
    ) -> Float[Array, ""]:
        """Mean squared error of the reconstructions, over the batch and its elements."""

        def error(deconvs, expanded, observation):
            made = self._vector(deconvs, *expanded)
            return jnp.sum(jnp.square(made - self.target(observation)))

        expanded = jax.vmap(self._expanded)(latents)
        return sum_over_examples(error, self.deconvs, expanded, observations) / observations.size
