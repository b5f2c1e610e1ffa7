"""A loss that sums over examples, evaluated with its gradient one example at a time."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def sum_over_examples(
    loss: Callable[[PyTree, PyTree, PyTree], Float[Array, ""]],
    parameters: PyTree,
    inputs: PyTree,
    data: PyTree,
) -> Float[Array, ""]:
    """Σ_i loss(parameters, inputs[i], data[i]), for losses of large examples such as images.

    When it is differentiated, each example's gradient is taken right after its value, while
    everything is still in the cache, and nothing but the gradients is kept: on a CPU several
    times faster than a forward pass followed by a backward pass over the batch.
    Differentiable with respect to `parameters` and `inputs`, not `data`.
    """
    return jnp.sum(jax.lax.map(lambda xs: loss(parameters, *xs), (inputs, data)))


def _forward(loss, parameters, inputs, data):
    graded = jax.value_and_grad(loss, argnums=(0, 1))

    def step(total, example):
        value, (d_parameters, d_inputs) = graded(parameters, *example)
        return jax.tree.map(jnp.add, total, (value, d_parameters)), d_inputs

    start = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, parameters))
    (value, d_parameters), d_inputs = jax.lax.scan(step, start, (inputs, data))
    return value, (d_parameters, d_inputs)


def _backward(loss, gradients, cotangent):
    return *jax.tree.map(lambda g: g * cotangent, gradients), None


sum_over_examples.defvjp(_forward, _backward)
