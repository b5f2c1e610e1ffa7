"""Initial weights and biases of dense and convolutional layers.

An initialiser maps the shape of a weight `(out, *in)` to a weight and a bias. The fan-in is
the product of all axes but the first, so one function serves `(out, in)` matrices and
`(out, height, width, in)` kernels. Layouts that only permute the inputs of a layer
(channels first or last) have the same distribution.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Initialiser = Callable[..., tuple[Float[Array, "out *inputs"], Float[Array, " out"]]]


def torch_uniform(
    shape: tuple[int, ...], *, fan: int | None = None, key: Key[Array, ""]
) -> tuple[Float[Array, "out *inputs"], Float[Array, " out"]]:
    """PyTorch's default for linear and convolutional layers: both uniform ±1/sqrt(fan-in).

    `fan` overrides the fan-in (PyTorch counts a transposed convolution's differently).
    """
    bound = 1.0 / math.sqrt(fan if fan is not None else math.prod(shape[1:]))
    weight_key, bias_key = jax.random.split(key)
    weight = jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound)
    bias = jax.random.uniform(bias_key, shape[:1], minval=-bound, maxval=bound)
    return weight, bias


def glorot_uniform(
    shape: tuple[int, ...], *, key: Key[Array, ""]
) -> tuple[Float[Array, "out *inputs"], Float[Array, " out"]]:
    """Uniform ±sqrt(6/(fan-in + fan-out)) weights and zero biases (TensorFlow's default)."""
    bound = math.sqrt(6.0 / (math.prod(shape[1:]) + shape[0] * math.prod(shape[1:-1])))
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound), jnp.zeros(shape[:1])
