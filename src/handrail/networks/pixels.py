"""Networks for 84 × 84 × 3 byte images, numerically those of the original PyTorch scripts.

Images are channels last; so are features where they are flattened. A PyTorch layer on
features `(channels, rows, columns)` maps to ours by permuting its columns accordingly
(`tests/networks/torch_parameters.py` does it for recorded parameters).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from handrail.networks.convolution import Conv, ConvTranspose
from handrail.networks.mlp import Linear

# Examples evaluated together: their patches fit in a core's cache (benchmarks/patches.py).
CHUNK = 2


class NatureQ(eqx.Module):
    """Action values of a frame: the convolutional network of Mnih et al. 2015, bytes over 255.

    Convolutions 32 × 8×8 stride 4, 64 × 4×4 stride 2, 64 × 3×3, then 512 units and one output
    per action. To evaluate every frame of a finite environment, use `patches.all_values`.
    """

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

    def features(self, frame: UInt8[Array, "84 84 3"]) -> Float[Array, "3136"]:
        """The last convolution's output, flattened in the order (row, column, channel)."""
        x = frame.astype(jnp.float32) / 255.0
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return x.reshape(-1)

    def head(self, features: Float[Array, "3136"]) -> Float[Array, " actions"]:
        """The fully connected part."""
        return self.out(jax.nn.relu(self.hidden(features)))

    def __call__(self, frame: UInt8[Array, "84 84 3"]) -> Float[Array, " actions"]:
        return self.head(self.features(frame))

    def batch(self, frames: UInt8[Array, "batch 84 84 3"]) -> Float[Array, "batch actions"]:
        """Equals `vmap(self)`, evaluated a few frames at a time; differentiable."""
        features = jax.lax.map(lambda f: self.features(f), frames, batch_size=CHUNK)
        return jax.vmap(self.head)(features)


def normalise(frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
    """Bytes to about [-1, 1): (x − 128) / 128. What the auto-encoder reads and reconstructs."""
    return (frame.astype(jnp.float32) - 128.0) / 128.0


class PixelEncoder(eqx.Module):
    """A frame to a latent vector: four 3×3 convolutions (32 channels, first stride 2), linear."""

    convs: tuple[Conv, Conv, Conv, Conv]
    project: Linear

    def __init__(self, latent: int = 50, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 5)
        self.convs = (
            Conv(3, 32, 3, 2, key=keys[0]),
            *(Conv(32, 32, 3, 1, key=keys[i]) for i in (1, 2, 3)),
        )
        self.project = Linear(35 * 35 * 32, latent, key=keys[4])

    def features(self, frame: UInt8[Array, "84 84 3"]) -> Float[Array, "39200"]:
        """The last convolution's output, flattened in the order (row, column, channel)."""
        x = normalise(frame)
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return x.reshape(-1)

    def __call__(self, frame: UInt8[Array, "84 84 3"]) -> Float[Array, " latent"]:
        return self.project(self.features(frame))

    def batch(self, frames: UInt8[Array, "batch 84 84 3"]) -> Float[Array, "batch latent"]:
        """Equals `vmap(self)`, evaluated a few frames at a time; differentiable."""
        features = jax.lax.map(lambda f: self.features(f), frames, batch_size=CHUNK)
        return jax.vmap(self.project)(features)


class PixelDecoder(eqx.Module):
    """A latent vector to a normalised frame: the encoder mirrored, tanh at the end."""

    expand: Linear
    deconvs: tuple[ConvTranspose, ConvTranspose, ConvTranspose, ConvTranspose]

    def __init__(self, latent: int = 50, *, key: Key[Array, ""]):
        keys = jax.random.split(key, 5)
        self.expand = Linear(latent, 35 * 35 * 32, key=keys[0])
        self.deconvs = (
            *(ConvTranspose(32, 32, 3, 1, key=keys[i]) for i in (1, 2, 3)),
            ConvTranspose(32, 3, 3, 2, key=keys[4]),
        )

    def render(self, features: Float[Array, "39200"]) -> Float[Array, "84 84 3"]:
        """The convolutional part."""
        x = jax.nn.relu(features).reshape(35, 35, 32)
        for deconv in self.deconvs[:-1]:
            x = jax.nn.relu(deconv(x))
        return jnp.tanh(self.deconvs[-1](x))

    def __call__(self, latent: Float[Array, " latent"]) -> Float[Array, "84 84 3"]:
        return self.render(self.expand(latent))
