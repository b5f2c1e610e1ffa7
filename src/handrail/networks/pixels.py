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

from handrail.core.errors import HandrailError
from handrail.networks.convolution import AbstractConvNetwork, Conv, ConvTranspose, fitted
from handrail.networks.example_sums import sum_over_examples
from handrail.networks.image_network import ENCODER_IMAGES, ImageNetwork
from handrail.networks.mlp import Linear

SIDE, CHANNELS = 84, 3
NATURE = ImageNetwork()


def check_q_sizes(name: str, network: ImageNetwork) -> None:
    """Refuses what `NatureQ` cannot be: windows are compiled for every frame of a table once."""
    if (network.kernels, network.strides) != (NATURE.kernels, NATURE.strides) or len(
        network.hidden
    ) != 1:
        raise HandrailError(
            f"{name} is {network}: on images of 84 × 84 of a table kernels are {NATURE.kernels} "
            f"with strides {NATURE.strides}, and one layer is behind them; set channels and hidden "
            "only, such as channels to (16, 32, 32) and hidden to (128,)"
        )


def check_encoder_sizes(name: str, network: ImageNetwork) -> None:
    """Refuses what `PixelEncoder` cannot be."""
    if network.hidden or network.smallest > SIDE:
        raise HandrailError(
            f"{name} is {network}: on images of 84 × 84 of a table nothing is between convolutions "
            f"and latent, and they must fit (these need {network.smallest} pixels a side); leave "
            "hidden empty, and use fewer or smaller kernels and strides"
        )


def normalise(frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
    """Bytes to about [-1, 1): (x − 128) / 128. What the auto-encoder reads and reconstructs."""
    return (frame.astype(jnp.float32) - 128.0) / 128.0


class NatureQ(AbstractConvNetwork):
    """Action values of a frame: the convolutional network of Mnih et al. 2015, bytes over 255.

    Convolutions 32 × 8×8 stride 4, 64 × 4×4 stride 2, 64 × 3×3, then 512 units and one output
    per action, or other sizes, with one layer behind the convolutions. To evaluate every frame of
    a finite environment, use `patches.all_values`.
    """

    # their patches stay in the cache, and the products are long enough (benchmarks/patches.py)
    chunk: ClassVar[int | None] = 4
    convs: tuple[Conv, ...]
    hidden: Linear
    out: Linear

    def __init__(self, actions: int, network: ImageNetwork = NATURE, *, key: Key[Array, ""]):
        *keys, behind, last = jax.random.split(key, len(network.channels) + 2)
        (width,) = network.hidden
        self.convs = _convs(network, keys)
        self.hidden = Linear(_features(network), width, key=behind)
        self.out = Linear(width, actions, key=last)

    def normalise(self, frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
        """Bytes to [0, 1]."""
        return frame.astype(jnp.float32) / 255.0

    def head(self, features: Float[Array, " features"]) -> Float[Array, " actions"]:
        """The fully connected part."""
        return self.out(jax.nn.relu(self.hidden(features)))


class PixelEncoder(AbstractConvNetwork):
    """A frame to a latent vector: four 3×3 convolutions (32 channels, first stride 2), linear;
    or other convolutions.
    """

    convs: tuple[Conv, ...]
    project: Linear

    def __init__(
        self, latent: int = 50, network: ImageNetwork = ENCODER_IMAGES, *, key: Key[Array, ""]
    ):
        *keys, last = jax.random.split(key, len(network.channels) + 1)
        self.convs = _convs(network, keys)
        self.project = Linear(_features(network), latent, key=last)

    def normalise(self, frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
        """Bytes to about [-1, 1), what the decoder reconstructs."""
        return normalise(frame)

    def head(self, features: Float[Array, " features"]) -> Float[Array, " latent"]:
        """The linear part."""
        return self.project(features)


class PixelDecoder(eqx.Module):
    """A latent vector to a normalised frame: the encoder mirrored, tanh at the end."""

    expand: Linear
    deconvs: tuple[ConvTranspose, ...]
    sides: tuple[int, ...] = eqx.field(static=True)  # places along a side, after each layer

    def __init__(
        self, latent: int = 50, network: ImageNetwork = ENCODER_IMAGES, *, key: Key[Array, ""]
    ):
        first, *keys = jax.random.split(key, len(network.channels) + 1)
        self.expand = Linear(latent, _features(network), key=first)
        outputs = (CHANNELS, *network.channels[:-1])
        sizes = zip(network.channels, outputs, network.kernels, network.strides, strict=True)
        mirrored = zip(reversed(list(sizes)), keys, strict=True)
        self.deconvs = tuple(ConvTranspose(*size, key=k) for size, k in mirrored)
        self.sides = network.sides(SIDE)[::-1]

    def render(self, features: Float[Array, " features"]) -> Float[Array, "84 84 3"]:
        """The convolutional part."""
        return _rendered(self.deconvs, features, self.sides)

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

        def error(deconvs, features, frame):
            made = _rendered(deconvs, features, self.sides)
            return jnp.sum(jnp.square(made - normalise(frame)))

        return sum_over_examples(error, self.deconvs, features, frames) / frames.size


def _rendered(deconvs, features, sides):
    first, *rest = sides
    x = jax.nn.relu(features).reshape(first, first, -1)
    for number, (deconv, side) in enumerate(zip(deconvs, rest, strict=True), start=1):
        x = fitted(deconv(x), side, side)
        x = jnp.tanh(x) if number == len(deconvs) else jax.nn.relu(x)
    return x


def _convs(network: ImageNetwork, keys: list[Key[Array, ""]]) -> tuple[Conv, ...]:
    inputs = (CHANNELS, *network.channels[:-1])
    sizes = zip(inputs, network.channels, network.kernels, network.strides, strict=True)
    return tuple(Conv(*size, key=k) for size, k in zip(sizes, keys, strict=True))


def _features(network: ImageNetwork) -> int:
    """Outputs of the last convolution."""
    return network.sides(SIDE)[-1] ** 2 * network.channels[-1]
