"""Networks for 84 × 84 × 3 byte images, numerically those of the original PyTorch scripts.

Images are channels last; so are features where they are flattened. A PyTorch layer on
features `(channels, rows, columns)` maps to ours by permuting its columns accordingly
(`tests/networks/torch_parameters.py` does it for recorded parameters).
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from handrail.networks.convolution import AbstractConvNetwork, Conv, ConvTranspose
from handrail.networks.example_sums import sum_over_examples
from handrail.networks.mlp import Linear


def normalise(frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
    """Bytes to about [-1, 1): (x − 128) / 128. What the auto-encoder reads and reconstructs."""
    return (frame.astype(jnp.float32) - 128.0) / 128.0


class NatureQ(AbstractConvNetwork):
    """Action values of a frame: the convolutional network of Mnih et al. 2015, bytes over 255.

    Convolutions 32 × 8×8 stride 4, 64 × 4×4 stride 2, 64 × 3×3, then 512 units and one output
    per action. To evaluate every frame of a finite environment, use `patches.all_values`.
    """

    # their patches stay in the cache, and the products are long enough (benchmarks/patches.py)
    chunk: ClassVar[int | None] = 4
    convs: tuple[Conv, Conv, Conv]
    hidden: Linear
    out: Linear

    def __init__(self, actions: int, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 5)
        self.convs = (
            Conv(3, 32, 8, 4, key=keys[0]),
            Conv(32, 64, 4, 2, key=keys[1]),
            Conv(64, 64, 3, 1, key=keys[2]),
        )
        self.hidden = Linear(7 * 7 * 64, 512, key=keys[3])
        self.out = Linear(512, actions, key=keys[4])

    def normalise(self, frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
        """Bytes to [0, 1]."""
        return frame.astype(jnp.float32) / 255.0

    def head(self, features: Float[Array, "3136"]) -> Float[Array, " actions"]:
        """The fully connected part."""
        return self.out(jax.nn.relu(self.hidden(features)))


class PixelEncoder(AbstractConvNetwork):
    """A frame to a latent vector: four 3×3 convolutions (32 channels, first stride 2), linear."""

    convs: tuple[Conv, Conv, Conv, Conv]
    project: Linear

    def __init__(self, latent: int = 50, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 5)
        self.convs = (
            Conv(3, 32, 3, 2, key=keys[0]),
            Conv(32, 32, 3, 1, key=keys[1]),
            Conv(32, 32, 3, 1, key=keys[2]),
            Conv(32, 32, 3, 1, key=keys[3]),
        )
        self.project = Linear(35 * 35 * 32, latent, key=keys[4])

    def normalise(self, frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
        """Bytes to about [-1, 1), what the decoder reconstructs."""
        return normalise(frame)

    def head(self, features: Float[Array, "39200"]) -> Float[Array, " latent"]:
        """The linear part."""
        return self.project(features)


class PixelDecoder(eqx.Module):
    """A latent vector to a normalised frame: the encoder mirrored, tanh at the end."""

    expand: Linear
    deconvs: tuple[ConvTranspose, ConvTranspose, ConvTranspose, ConvTranspose]

    def __init__(self, latent: int = 50, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 5)
        self.expand = Linear(latent, 35 * 35 * 32, key=keys[0])
        self.deconvs = (
            ConvTranspose(32, 32, 3, 1, key=keys[1]),
            ConvTranspose(32, 32, 3, 1, key=keys[2]),
            ConvTranspose(32, 32, 3, 1, key=keys[3]),
            ConvTranspose(32, 3, 3, 2, key=keys[4]),
        )

    def render(self, features: Float[Array, "39200"]) -> Float[Array, "84 84 3"]:
        """The convolutional part."""
        return _render(self.deconvs, features)

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, "84 84 3"]:
        return self.render(self.expand(latent))

    def target(self, frame: UInt8[Array, "84 84 3"]) -> Float[Array, "84 84 3"]:
        """What a frame's reconstruction is compared with: the normalised frame."""
        return normalise(frame)

    def batch_error(
        self, latents: Float[Array, "batch latent"], frames: UInt8[Array, "batch 84 84 3"]
    ) -> Float[Array, ""]:
        """Mean squared error of the reconstructions, over all frames and their elements."""
        features = jax.vmap(self.expand)(latents)
        return sum_over_examples(_frame_error, self.deconvs, features, frames) / frames.size


def _render(deconvs, features):
    x = jax.nn.relu(features).reshape(35, 35, 32)
    for deconv in deconvs[:-1]:
        x = jax.nn.relu(deconv(x))
    return jnp.tanh(deconvs[-1](x))


def _frame_error(deconvs, features, frame):
    return jnp.sum(jnp.square(_render(deconvs, features) - normalise(frame)))
