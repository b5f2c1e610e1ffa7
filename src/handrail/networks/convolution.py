"""Convolutions as gathered patches and one matrix product.

On a CPU, XLA's own convolutions run well below the speed of its matrix products, and inside a
compiled loop some twenty times slower still (`benchmarks/patches.py` measures both). Images
are channels last; kernels are `(out, height, width, in)`, so that flattening all axes but the
first gives a matrix `(out, in)` like any other layer's. Every stride reduces to stride 1 by
moving blocks of pixels into channels and back. One example here; batches are best evaluated
one or a few at a time with `jax.lax.map`, so that the patches stay in the cache.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from handrail.networks.initialisers import torch_uniform


def patches(x: Float[Array, "h w c"], size: int) -> Float[Array, "oh ow k"]:
    """Every window of `size × size` pixels, flattened in the order (row, column, channel)."""
    oh, ow = x.shape[0] - size + 1, x.shape[1] - size + 1
    windows = [x[i : i + oh, j : j + ow] for i in range(size) for j in range(size)]
    return jnp.concatenate(windows, axis=-1)


@jax.custom_vjp
def correlate(
    x: Float[Array, "h w in"], weight: Float[Array, "out k k in"]
) -> Float[Array, "oh ow out"]:
    """Stride 1, no padding. Keeps `x`, not its nine times larger patches, for the gradient."""
    return patches(x, weight.shape[1]) @ weight.reshape(weight.shape[0], -1).T


def _correlate_forward(x, weight):
    return correlate(x, weight), (x, weight)


def _correlate_backward(residual, cotangent):
    x, weight = residual
    outputs, size = weight.shape[:2]
    margin = size - 1
    padded = jnp.pad(cotangent, ((margin, margin), (margin, margin), (0, 0)))
    mirrored = weight[:, ::-1, ::-1].transpose(3, 1, 2, 0)
    columns = patches(x, size)
    narrow = cotangent.reshape(-1, outputs).T  # cheaper to transpose than the patches
    d_weight = narrow @ columns.reshape(-1, columns.shape[-1])
    return correlate(padded, mirrored), d_weight.reshape(weight.shape)


correlate.defvjp(_correlate_forward, _correlate_backward)


def blocks_to_channels(x: Float[Array, "h w c"], size: int) -> Float[Array, "bh bw k"]:
    """Each `size × size` block becomes one pixel with channels (row, column, channel)."""
    h, w, c = x.shape
    x = x.reshape(h // size, size, w // size, size, c)
    return x.transpose(0, 2, 1, 3, 4).reshape(h // size, w // size, size * size * c)


def channels_to_blocks(x: Float[Array, "bh bw k"], size: int) -> Float[Array, "h w c"]:
    """The inverse of `blocks_to_channels`."""
    bh, bw, k = x.shape
    x = x.reshape(bh, bw, size, size, k // (size * size))
    return x.transpose(0, 2, 1, 3, 4).reshape(bh * size, bw * size, -1)


def _split_kernel(weight: Float[Array, "out k k in"], stride: int):
    """The kernel as (out, rows of blocks, in-block row, columns of blocks, in-block column, in)."""
    outputs, kernel, _, inputs = weight.shape
    count = -(-kernel // stride)
    excess = count * stride - kernel
    weight = jnp.pad(weight, ((0, 0), (0, excess), (0, excess), (0, 0)))
    return weight.reshape(outputs, count, stride, count, stride, inputs)


def _add_bias(y: Float[Array, "h w out"], bias: Float[Array, " out"]):
    return y + bias[None, None, :]


class Conv(eqx.Module):
    """A square convolution without padding; `weight` is `(out, height, width, in)`.

    From a PyTorch kernel `(out, in, height, width)`: transpose by (0, 2, 3, 1).
    """

    weight: Float[Array, "out kernel kernel in"]
    bias: Float[Array, " out"]
    stride: int = eqx.field(static=True)

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, key: Key[Array, ""]):
        shape = (outputs, kernel, kernel, inputs)
        self.weight, self.bias = torch_uniform(shape, key=key)
        self.stride = stride

    def __call__(self, x: Float[Array, "h w in"]) -> Float[Array, "oh ow out"]:
        outputs, kernel = self.weight.shape[:2]
        s = self.stride
        if s == 1:
            return _add_bias(correlate(x, self.weight), self.bias)
        split = _split_kernel(self.weight, s)
        extent = [((n - kernel) // s + split.shape[1]) * s for n in x.shape[:2]]
        grow = [(0, max(0, e - n)) for e, n in zip(extent, x.shape, strict=False)]
        x = jnp.pad(x, (*grow, (0, 0)))[: extent[0], : extent[1]]
        joined = split.transpose(0, 1, 3, 2, 4, 5).reshape(
            outputs, split.shape[1], split.shape[1], -1
        )
        return _add_bias(correlate(blocks_to_channels(x, s), joined), self.bias)


class AbstractConvNetwork(eqx.Module):
    """Convolutions of an image with a relu after each, then a head on the flattened features."""

    convs: eqx.AbstractVar[tuple[Conv, ...]]
    chunk: ClassVar[int | None] = None  # images evaluated together; None: one by one

    @abc.abstractmethod
    def normalise(self, frame: UInt8[Array, "..."]) -> Float[Array, "..."]:
        """Bytes to the first layer's input; element by element."""

    @abc.abstractmethod
    def head(self, features: Float[Array, " features"]) -> Float[Array, " outputs"]:
        """The output from features flattened in the order (row, column, channel)."""

    def features(self, frame: UInt8[Array, "h w c"]) -> Float[Array, " features"]:
        """The last convolution's output, flattened in the order (row, column, channel)."""
        x = self.normalise(frame)
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return x.reshape(-1)

    def __call__(self, frame: UInt8[Array, "h w c"]) -> Float[Array, " outputs"]:
        return self.head(self.features(frame))

    def batch(self, frames: UInt8[Array, "batch h w c"]) -> Float[Array, "batch outputs"]:
        """Equals `vmap(self)`, evaluated a few frames at a time; differentiable."""
        features = jax.lax.map(lambda f: self.features(f), frames, batch_size=self.chunk)
        return jax.vmap(self.head)(features)


class ConvTranspose(eqx.Module):
    """The adjoint of a square convolution; the output is extended to a multiple of the stride.

    That is PyTorch's `output_padding=1` for kernel 3 and stride 2. `weight` is
    `(out, height, width, in)`: transpose a PyTorch kernel `(in, out, height, width)` by
    (1, 2, 3, 0). The fan of the initial distribution counts *outputs*, as PyTorch does.
    """

    weight: Float[Array, "out kernel kernel in"]
    bias: Float[Array, " out"]
    stride: int = eqx.field(static=True)

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, key: Key[Array, ""]):
        shape = (outputs, kernel, kernel, inputs)
        fan = outputs * kernel * kernel
        self.weight, self.bias = torch_uniform(shape, fan=fan, key=key)
        self.stride = stride

    def __call__(self, x: Float[Array, "h w in"]) -> Float[Array, "oh ow out"]:
        s = self.stride
        split = _split_kernel(self.weight, s)[:, ::-1, :, ::-1]
        margin = split.shape[1] - 1
        x = jnp.pad(x, ((margin, margin), (margin, margin), (0, 0)))
        # One output channel for each place in a block of the output.
        joined = split.transpose(2, 4, 0, 1, 3, 5).reshape(
            -1, split.shape[1], split.shape[1], split.shape[-1]
        )
        y = correlate(x, joined)
        return _add_bias(y if s == 1 else channels_to_blocks(y, s), self.bias)


def fitted(x: Float[Array, "h w c"], height: int, width: int) -> Float[Array, "height width c"]:
    """Cropped, or continued with its edge, where strides do not divide the sides."""
    if x.shape[:2] == (height, width):
        return x
    x = x[:height, :width]
    missing = (0, height - x.shape[0]), (0, width - x.shape[1]), (0, 0)
    return jnp.pad(x, missing, mode="edge")
