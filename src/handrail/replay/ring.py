"""Uniform replay: a ring of pytrees."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.replay.base import AbstractReplay, AbstractReplayState, Sample, slots_for


class RingState(AbstractReplayState):
    """Slot `added % capacity` is written next; slots below `min(added, capacity)` are filled."""

    items: Any  # every leaf (capacity, *shape)
    added: Int[Array, ""]


def check_capacity(capacity: int) -> None:
    """Refuses a capacity that is not a whole number of at least 1."""
    if not isinstance(capacity, int) or capacity < 1:
        raise HandrailError(
            f"replay capacity is {capacity!r}: it must be a whole number of items, at least 1"
        )


def check_shapes(items: PyTree, item: PyTree) -> None:
    """Refuses an item whose structure or shapes are not those of the example."""
    expected = jax.tree.map(lambda stored: stored.shape[1:], items)
    found = jax.tree.map(jnp.shape, item)
    if jax.tree.structure(items) != jax.tree.structure(item) or expected != found:
        raise HandrailError(
            f"item to store has the shapes {found}, but the replay was made for {expected}: "
            "give `init` an example of what will be added"
        )


class Ring(AbstractReplay):
    """The last `capacity` items, drawn uniformly with replacement from all filled slots.

    Differs from the authors' buffers, which never draw the newest slot.
    """

    capacity: int = eqx.field(static=True)

    def __check_init__(self):
        check_capacity(self.capacity)

    def init(self, example: PyTree) -> RingState:
        return RingState(slots_for(example, self.capacity), jnp.zeros((), jnp.int32))

    def size(self, state: RingState) -> Int[Array, ""]:
        return jnp.minimum(state.added, self.capacity)

    def slot(self, state: RingState, where: bool | Bool[Array, ""] = True) -> Int[Array, ""]:
        """The slot written next; `capacity`, which no write reaches, if not `where`."""
        return jnp.where(where, state.added % self.capacity, self.capacity)

    def add(
        self, state: RingState, item: PyTree, *, where: bool | Bool[Array, ""] = True
    ) -> RingState:
        check_shapes(state.items, item)
        slot = self.slot(state, where)
        return RingState(
            items=jax.tree.map(
                lambda stored, leaf: stored.at[slot].set(leaf, mode="drop"), state.items, item
            ),
            added=state.added + jnp.asarray(where, jnp.int32),
        )

    def add_each(self, state: RingState, items: PyTree, *, where: Bool[Array, " n"]) -> RingState:
        """Stores those of at most `capacity` items (leaves with a leading axis) that are marked."""
        place = state.added + jnp.cumsum(where) - 1
        slots = jnp.where(where, place % self.capacity, self.capacity)
        return RingState(
            items=jax.tree.map(
                lambda stored, leaf: stored.at[slots].set(leaf, mode="drop"), state.items, items
            ),
            added=state.added + where.sum(dtype=jnp.int32),
        )

    def read(self, state: RingState, indices: Int[Array, " n"]) -> PyTree:
        """The items in the given slots."""
        return jax.tree.map(lambda stored: stored[indices], state.items)

    def filled(self, state: RingState) -> Bool[Array, " capacity"]:
        """Which slots hold an item."""
        return jnp.arange(self.capacity) < self.size(state)

    def observations(self, state: RingState) -> tuple[PyTree, Bool[Array, " capacity"]]:
        return state.items.observation, self.filled(state)

    def sample(
        self, state: RingState, n: int, *, beta: float | Float[Array, ""] = 1.0, key: Key[Array, ""]
    ) -> Sample:
        size = self.size(state)
        indices = jax.random.randint(key, (n,), 0, jnp.maximum(size, 1))
        weights = jnp.broadcast_to(jnp.where(size > 0, 1.0, 0.0), (n,))
        return Sample(self.read(state, indices), indices, weights)
