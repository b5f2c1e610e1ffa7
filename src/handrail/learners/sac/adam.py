"""Adam in the form of TensorFlow 1, which the original scripts use.

The small number ε is added to √v itself, not to its bias-corrected value as in Adam's paper
and optax: with few steps done the original's first steps are therefore a little shorter where
gradients are of the order of ε. Everything else is the same.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class AdamState(eqx.Module):
    """Running means of the gradients and of their squares."""

    count: Float[Array, ""]  # steps done; a float, since it only enters powers
    first: Any
    second: Any


class Adam(eqx.Module):
    """A step of size about 1 per element; the caller scales it by its learning rates."""

    decay: float = eqx.field(default=0.9, static=True)
    square_decay: float = eqx.field(default=0.999, static=True)
    epsilon: float = eqx.field(default=1e-8, static=True)

    def init(self, parameters: PyTree) -> AdamState:
        """Zero means for parameters of these shapes."""
        first, second = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        return AdamState(jnp.zeros(()), first, second)

    def direction(self, gradients: PyTree, state: AdamState) -> tuple[PyTree, AdamState]:
        """What to subtract, per unit of learning rate: √(1−b₂ᵗ)/(1−b₁ᵗ) · m/(√v + ε)."""
        count = state.count + 1
        first = jax.tree.map(
            lambda m, g: self.decay * m + (1 - self.decay) * g, state.first, gradients
        )
        second = jax.tree.map(
            lambda v, g: self.square_decay * v + (1 - self.square_decay) * g**2,
            state.second,
            gradients,
        )
        scale = jnp.sqrt(1 - self.square_decay**count) / (1 - self.decay**count)
        step = jax.tree.map(
            lambda m, v: (scale * m / (jnp.sqrt(v) + self.epsilon)).astype(m.dtype), first, second
        )
        return step, AdamState(count, first, second)
