"""What networks read of observations with images, and of numbers brought to one scale.

An observation comes as one vector, its parts side by side. A `Reading` says which stretches of it
are images; `ReadInputs` are the convolutions that read those, beside the rest.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree, Shaped

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.networks.convolution import Conv
from handrail.networks.image_network import BYTES, ImageNetwork, Images, ImageValues
from handrail.networks.mlp import Linear

CHUNK = 4  # images evaluated together: their patches stay in the cache (benchmarks/patches.py)
FARTHEST = 10.0  # deviations from the mean that are told apart


@dataclasses.dataclass(frozen=True)
class ReadPart:
    """A stretch of an observation's vector."""

    name: str
    shape: tuple[int, ...]
    image: ImageValues | None

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return math.prod(self.shape)

    @property
    def frame(self) -> tuple[int, int, int]:
        """Height, width and channels of an image; frames of a stack are channels."""
        *stack, height, width, channels = self.shape
        return height, width, math.prod(stack) * channels

    def framed(self, vector: Shaped[Array, " n"]) -> Shaped[Array, "h w c"]:
        """The image in its stretch of the vector; of a stack the frames one after another."""
        image = vector.reshape(self.shape)
        return image if image.ndim == 3 else jnp.moveaxis(image, 0, 2).reshape(self.frame)

    def vector(self, frame: Shaped[Array, "h w c"]) -> Shaped[Array, " n"]:
        """The inverse of `framed`."""
        if len(self.shape) == 3:
            return frame.reshape(-1)
        stack, height, width, channels = self.shape
        return jnp.moveaxis(frame.reshape(height, width, stack, channels), 2, 0).reshape(-1)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How an observation's vector is read; `ReadInputs` are built from it."""

    parts: tuple[ReadPart, ...]
    network: ImageNetwork
    normalised: bool = False
    """Whether what is no image is brought to one scale."""
    signed: bool = False
    """Images from −1 to 1, what auto-encoders reconstruct, instead of from 0 to 1."""

    @staticmethod
    def of(
        shapes: Mapping[str, Any],
        images: Images,
        network: ImageNetwork,
        *,
        normalised: bool = False,
    ) -> "Reading | None":
        """Of parts of these shapes, in the order of their names; None where all is read as it is.

        Raises `HandrailError` for images that are too small for the network.
        """
        if not images and not normalised:
            return None
        parts = tuple(
            ReadPart(name, tuple(shapes[name]), images.get(name)) for name in sorted(shapes)
        )
        for part in parts:
            if part.image is not None and min(part.frame[:2]) < network.smallest:
                raise HandrailError(
                    f"the image {part.name!r} has {part.frame[0]} × {part.frame[1]} pixels, too "
                    f"few for kernels {network.kernels} with strides {network.strides}, which need "
                    f"{network.smallest} × {network.smallest}: render larger images, or set "
                    "images.channels, images.kernels and images.strides to fewer or smaller ones"
                )
        return Reading(parts, network, normalised)

    @property
    def size(self) -> int:
        """Numbers in the vector."""
        return sum(part.size for part in self.parts)

    @property
    def numbers(self) -> int:
        """Those of no image."""
        return sum(part.size for part in self.parts if part.image is None)

    @property
    def images(self) -> tuple[ReadPart, ...]:
        """The parts that are images."""
        return tuple(part for part in self.parts if part.image is not None)

    @property
    def features(self) -> int:
        """Outputs of all convolutions, and the numbers of no image."""
        network, total = self.network, self.numbers
        for part in self.images:
            height, width, _ = part.frame
            total += network.sides(height)[-1] * network.sides(width)[-1] * network.channels[-1]
        return total

    @property
    def width(self) -> int:
        """How many numbers are read of a vector, after the layers behind the convolutions."""
        return (self.features, *(self.network.hidden if self.images else ()))[-1]

    def split(
        self, vector: Shaped[Array, " n"]
    ) -> tuple[list[Shaped[Array, "h w c"]], Float[Array, " numbers"]]:
        """Images as they are, and the rest side by side."""
        images, numbers, begin = [], [jnp.zeros(0)], 0
        for part in self.parts:
            stretch = vector[begin : begin + part.size]
            begin += part.size
            if part.image is None:
                numbers.append(stretch.astype(jnp.float32))
            else:
                images.append(part.framed(stretch))
        return images, jnp.concatenate(numbers)

    def scaled(self, part: ReadPart, frame: Shaped[Array, "h w c"]) -> Float[Array, "h w c"]:
        """An image's values from black 0 (or −1, if `signed`) to white 1."""
        assert part.image is not None
        low, high = part.image.low, part.image.high
        x = frame.astype(jnp.float32)
        if self.signed and part.image == BYTES:
            return (x - 128.0) / 128.0  # as in the authors' scripts
        x = x / high if low == 0 else (x - low) / (high - low)
        return 2 * x - 1 if self.signed else x


class Standardised(eqx.Module):
    """Numbers less their mean, over their deviation, cut off at ±10; nothing here is learnt.

    Both are of the steps before the first update (`fitted`), and never change afterwards. A number
    that was the same in all of them is only shifted.
    """

    mean: Float[Array, " n"]
    deviation: Float[Array, " n"]
    known: Float[Array, ""]  # 1 once they are measured

    @staticmethod
    def fresh(size: int) -> "Standardised":
        """Of numbers that are read as they are, until they are measured."""
        return Standardised(jnp.zeros(size), jnp.ones(size), jnp.zeros(()))

    def __call__(self, numbers: Float[Array, " n"]) -> Float[Array, " n"]:
        mean, deviation, known = jax.lax.stop_gradient((self.mean, self.deviation, self.known))
        standard = jnp.clip((numbers - mean) / deviation, -FARTHEST, FARTHEST)
        return jnp.where(known > 0, standard, numbers)

    @staticmethod
    def measured(numbers: Float[Array, "rows n"], filled: Bool[Array, " rows"]) -> "Standardised":
        """From the filled rows of a memory."""
        count = jnp.maximum(filled.sum(), 1)
        of_rows = filled[:, None]
        mean = jnp.sum(jnp.where(of_rows, numbers, 0.0), axis=0) / count
        spread = jnp.sum(jnp.where(of_rows, jnp.square(numbers - mean[None]), 0.0), axis=0)
        deviation = jnp.sqrt(spread / count)
        varies = deviation > 1e-6 * (1 + jnp.abs(mean))
        return Standardised(mean, jnp.where(varies, deviation, 1.0), jnp.ones(()))


class ReadInputs(eqx.Module):
    """Convolutions of every image, and layers that read their features beside the other numbers."""

    convs: tuple[tuple[Conv, ...], ...]
    hidden: tuple[Linear, ...]
    standard: Standardised | None
    reading: Reading = eqx.field(static=True)

    @staticmethod
    def fresh(reading: Reading, *, key: Key[Array, ""]) -> "ReadInputs":
        """Untrained."""
        network = reading.network
        *keys, last = jax.random.split(key, len(reading.images) + 1)
        images = zip(reading.images, keys, strict=True)
        convs = [_convs(network, part.frame[2], k) for part, k in images]
        widths = (reading.features, *(network.hidden if reading.images else ()))
        layers = jax.random.split(last, len(widths))
        return ReadInputs(
            tuple(convs),
            tuple(
                Linear(inputs, outputs, key=k)
                for inputs, outputs, k in zip(widths[:-1], widths[1:], layers, strict=False)
            ),
            Standardised.fresh(reading.numbers) if reading.normalised else None,
            reading,
        )

    def features(self, vector: Shaped[Array, " n"]) -> Float[Array, " features"]:
        """Outputs of the last convolutions, flattened in the order (row, column, channel), and the
        numbers of no image.
        """
        images, numbers = self.reading.split(vector)
        read = []
        for part, convs, frame in zip(self.reading.images, self.convs, images, strict=True):
            x = self.reading.scaled(part, frame)
            for conv in convs:
                x = jax.nn.relu(conv(x))
            read.append(x.reshape(-1))
        return jnp.concatenate(
            [*read, numbers if self.standard is None else self.standard(numbers)]
        )

    def _behind(self, features: Float[Array, " features"]) -> Float[Array, " width"]:
        for layer in self.hidden:
            features = jax.nn.relu(layer(features))
        return features

    def __call__(self, vector: Shaped[Array, " n"]) -> Float[Array, " width"]:
        read = self.features(vector)
        for layer in self.hidden:
            # one vector alone reads the weights as they lie: 0.5 instead of 2.4 ms on a CPU
            read = jax.nn.relu(layer.weight @ read + layer.bias)
        return read

    def batch(self, vectors: Shaped[Array, "batch n"]) -> Float[Array, "batch width"]:
        """Equals `vmap(self)`, images evaluated a few at a time; differentiable."""
        if not self.convs:
            return jax.vmap(self)(vectors)
        return jax.vmap(self._behind)(_features_of(self, vectors))

    def reader(self, xp: ModuleType = jnp) -> Callable[[Any], Any]:
        """The same as a function of `xp`: JAX's NumPy, or NumPy for one vector after another."""
        if xp is jnp:
            return self
        compiled = jax.jit(lambda vector: self(vector))
        return lambda vector: np.asarray(compiled(vector))


@eqx.filter_custom_vjp
def _features_of(inputs: ReadInputs, vectors: Shaped[Array, "batch n"]) -> Array:
    """`inputs.features` of a batch. Where it is differentiated, one vector after another: measured
    on a CPU, gradients take 118 instead of 173 ms for 128 images, values 48 instead of 34.
    """
    return jax.lax.map(lambda v: inputs.features(v), vectors, batch_size=CHUNK)


@_features_of.def_fwd
def _features_forward(perturbed, inputs, vectors):
    del perturbed
    return eqx.filter_vjp(lambda net: jax.lax.map(lambda v: net.features(v), vectors), inputs)


@_features_of.def_bwd
def _features_backward(pullback, cotangent, perturbed, inputs, vectors):
    del perturbed, inputs, vectors
    return pullback(cotangent)[0]


def with_inputs(inputs: Any, size: int, *, key: Key[Array, ""]) -> tuple[Any, int]:
    """What reads vectors of this size, and how many numbers it gives: untrained for a `Reading`,
    else (`ScaledInputs`, or None for the vector itself) as given.
    """
    if isinstance(inputs, Reading):
        return ReadInputs.fresh(inputs, key=stream(key, "inputs")), inputs.width
    return inputs, size


def is_unmeasured(tree: PyTree) -> Bool[Array, ""] | None:
    """Whether numbers are still to be measured; None where nothing is standardised."""
    found = [node for node in _standardised(tree) if isinstance(node, Standardised)]
    return found[0].known < 1 if found else None


def measured(tree: PyTree, observations: PyTree, filled: Bool[Array, " rows"]) -> PyTree:
    """The tree with every `Standardised` measured on the filled rows of a memory."""
    nodes = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, ReadInputs))
    reading = next(node.reading for node in nodes if isinstance(node, ReadInputs))
    parts = observations if isinstance(observations, Mapping) else {"": observations}
    rows = [
        jnp.reshape(parts[name], (len(filled), -1)).astype(jnp.float32)
        for name, part in zip(sorted(parts), reading.parts, strict=True)
        if part.image is None
    ]
    return _with_standard(tree, Standardised.measured(jnp.concatenate(rows, axis=1), filled))


def measured_as(tree: PyTree, other: PyTree) -> PyTree:
    """The tree with every `Standardised` as the one of another tree, which may have none."""
    found = [node for node in _standardised(other) if isinstance(node, Standardised)]
    return _with_standard(tree, found[0]) if found else tree


def _with_standard(tree: PyTree, known: Standardised) -> PyTree:
    return jax.tree.map(
        lambda node: jax.tree.map(jnp.copy, known) if isinstance(node, Standardised) else node,
        tree,
        is_leaf=lambda node: isinstance(node, Standardised),
    )


def _standardised(tree: PyTree) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Standardised))


def _convs(network: ImageNetwork, channels: int, key: Key[Array, ""]) -> tuple[Conv, ...]:
    inputs = (channels, *network.channels[:-1])
    sizes = zip(inputs, network.channels, network.kernels, network.strides, strict=True)
    keys = jax.random.split(key, len(inputs))
    return tuple(Conv(*size, key=k) for size, k in zip(sizes, keys, strict=True))
