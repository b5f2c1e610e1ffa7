"""The contract of replay memories, and what a draw from one looks like."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError


class Sample(eqx.Module):
    """`n` stored items: every leaf of `items` has a leading axis of length `n`."""

    items: Any
    indices: Int[Array, " n"]  # the slots they came from, for `feedback`
    weights: Float[Array, " n"]  # importance weights for the loss; 0 if the replay is empty


class AbstractReplayState(eqx.Module):
    """What a memory holds: what happened, not what is learnt.

    Whoever looks for what an agent has learnt leaves out such parts of its state: they can be
    large and may hold anything that an environment gave.
    """


class AbstractReplay(eqx.Module):
    """A memory of at most `capacity` items, the oldest overwritten first.

    An item is any pytree of arrays (a `Transition`, an embedding). The state is a pytree of
    arrays of fixed shape: it can be carried through `lax.scan`, vmapped over seeds and
    checkpointed. Keep one reference to it (as a scan carry does), so that adding happens in place.
    """

    capacity: eqx.AbstractVar[int]

    @abc.abstractmethod
    def init(self, example: PyTree) -> AbstractReplayState:
        """An empty memory for items of the example's shapes and dtypes."""

    @abc.abstractmethod
    def size(self, state: PyTree) -> Int[Array, ""]:
        """How many items are stored, at most `capacity`."""

    def ready(self, state: PyTree, n: int) -> Bool[Array, ""]:
        """Whether batches of `n` may be drawn for learning: there are more items than that."""
        return self.size(state) > n

    @abc.abstractmethod
    def add(self, state: PyTree, item: PyTree, *, where: bool | Bool[Array, ""] = True) -> PyTree:
        """Stores one item, if `where`.

        Use `where` instead of `lax.cond`, which would copy the whole memory.
        """

    @abc.abstractmethod
    def sample(
        self, state: PyTree, n: int, *, beta: float | Float[Array, ""] = 1.0, key: Key[Array, ""]
    ) -> Sample:
        """`n` items drawn with replacement.

        `beta` in [0, 1] is how far the weights undo a draw that is not uniform (Schaul et al.
        2016); a uniform replay has no use for it. From an empty memory come zeros with weight 0.
        """

    def observations(self, state: PyTree) -> tuple[PyTree, Bool[Array, " rows"]]:
        """All observations in memory, with a leading axis, and which rows of it are filled."""
        raise HandrailError(
            f"{type(self).__name__} does not give its observations: define `observations`, or "
            "leave normalise_observations off"
        )

    def feedback(
        self, state: PyTree, indices: Int[Array, " n"], errors: Float[Array, " n"]
    ) -> PyTree:
        """Tells the memory the temporal-difference errors (of any sign) of a sample's items; one
        whose draws do not depend on them stays as it is.
        """
        return state


def slots_for(example: PyTree, count: int) -> PyTree:
    """Empty slots for so many items of the example's shapes and dtypes."""

    def allocate(leaf):
        leaf = jnp.asarray(leaf)
        return jnp.zeros((count, *leaf.shape), leaf.dtype)

    return jax.tree.map(allocate, example)
