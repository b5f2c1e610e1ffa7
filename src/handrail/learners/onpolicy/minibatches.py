"""Passes over a batch in shuffled minibatches, with Adam."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

Loss = Callable[[PyTree, PyTree], Float[Array, ""]]


def one_pass(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    parameters: PyTree,
    state: PyTree,
    batch: PyTree,
    *,
    minibatch: int,
    key: Key[Array, ""],
) -> tuple[PyTree, PyTree, Float[Array, ""]]:
    """An update on each minibatch of a shuffled batch: parameters, Adam's state, the mean loss.

    Every leaf of `batch` has a leading axis. `minibatch` is at most its length; what does not fill
    a last minibatch is left out of this pass.
    """

    def one(carry: Any, rows: Int[Array, " minibatch"]):
        parameters, state = carry
        part = jax.tree.map(lambda leaf: leaf[rows], batch)
        value, gradients = jax.value_and_grad(loss)(parameters, part)
        updates, state = optimizer.update(gradients, state, parameters)
        return (optax.apply_updates(parameters, updates), state), value

    steps = jax.tree.leaves(batch)[0].shape[0]
    shuffled = jax.random.permutation(key, steps)
    rows = shuffled[: steps // minibatch * minibatch].reshape(-1, minibatch)
    (parameters, state), losses = jax.lax.scan(one, (parameters, state), rows)
    return parameters, state, jnp.mean(losses)
