"""Multi-layer perceptrons of one example; ensembles come from `equinox.filter_vmap`."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from handrail.core.errors import HandrailError
from handrail.networks.initialisers import Initialiser, torch_uniform


class Linear(eqx.Module):
    """`weight @ x + bias`, the weight stored `(out, in)`."""

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"]

    def __init__(
        self, inputs: int, outputs: int, *, init: Initialiser = torch_uniform, key: Key[Array, ""]
    ):
        self.weight, self.bias = init((outputs, inputs), key=key)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        # Written inputs-first: under `vmap` this is one (batch, in) × (in, out) product.
        return x @ self.weight.T + self.bias


class MLP(eqx.Module):
    """Linear layers of the given sizes with an activation between them.

    `sizes` are the widths from input to output, such as `(50, 120, 84, 7)`. `init` is the
    distribution of the first parameters. Bytes are cast to float32.
    """

    layers: tuple[Linear, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)
    final_activation: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Array], Array] = jax.nn.relu,
        *,
        final_activation: Callable[[Array], Array] | None = None,
        init: Initialiser = torch_uniform,
        key: Key[Array, ""],
    ):
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise HandrailError(
                f"MLP sizes are {tuple(sizes)}: expected at least two positive widths, input "
                "first and output last, such as (50, 120, 84, 7)"
            )
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(
            Linear(inputs, outputs, init=init, key=layer_key)
            for inputs, outputs, layer_key in zip(sizes[:-1], sizes[1:], keys, strict=True)
        )
        self.activation = activation
        self.final_activation = final_activation

    def __call__(self, x: Shaped[Array, " in"]) -> Float[Array, " out"]:
        x = jnp.asarray(x, jnp.float32) if not jnp.issubdtype(x.dtype, jnp.floating) else x
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        x = self.layers[-1](x)
        return x if self.final_activation is None else self.final_activation(x)
