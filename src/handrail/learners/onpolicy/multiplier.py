"""The price of cost of the Lagrangian methods, which follows what the last batch cost."""

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

Scalar = Float[Array, ""]


class MultiplierState(eqx.Module):
    """λ, and Adam's means."""

    multiplier: Scalar
    adam: PyTree


class Multiplier(eqx.Module):
    """The price λ ≥ 0 of cost: rises by Adam while an episode costs more than the limit.

    Attributes:
        initial: λ before the first batch.
        rate: step size of Adam.
    """

    initial: float = eqx.field(default=0.001, static=True)
    rate: float = eqx.field(default=0.035, static=True)

    def init(self) -> MultiplierState:
        """Before the first batch."""
        start = jnp.maximum(jnp.float32(self.initial), 0.0)
        return MultiplierState(start, optax.adam(self.rate).init(start))

    def update(self, state: MultiplierState, excess: Scalar) -> MultiplierState:
        """After a batch in which an episode had this excess; Adam's means do not see that λ is kept
        from below 0.
        """
        step, adam = optax.adam(self.rate).update(-excess, state.adam)
        moved = jnp.asarray(optax.apply_updates(state.multiplier, step))
        return MultiplierState(jnp.maximum(moved, 0.0), adam)
