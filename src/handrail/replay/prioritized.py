"""Prioritized replay: draws in proportion to the size of the last error.

Schaul et al. 2016 (arXiv:1511.05952), in the form of the scripts of arXiv:2503.10318: plain
proportional draws, not stratified ones. Priorities lie in one flat array; their running sum
is taken anew for each draw, which for 10,000 items costs less than keeping a tree.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.replay.base import AbstractReplay, AbstractReplayState, Sample
from handrail.replay.frames import FrameRing
from handrail.replay.ring import Ring, check_capacity


class PrioritizedState(AbstractReplayState):
    """Priorities are stored raised to `alpha`; 0 marks an empty slot."""

    ring: Any  # of a `Ring`, or of a `FrameRing`
    priorities: Float[Array, " capacity"]
    largest: Float[Array, ""]  # raw, of all errors ever seen; 1 before the first


def indices_of_mass(
    priorities: Float[Array, " capacity"], mass: Float[Array, " n"]
) -> Int[Array, " n"]:
    """The first slot at which the running sum of priorities exceeds each mass."""
    running = jnp.cumsum(priorities)
    return jnp.searchsorted(running, mass, side="right", method="scan_unrolled")


def settled(indices: Int[Array, " n"]) -> Int[Array, " n"]:
    """The same indices, written to memory once.

    XLA would otherwise repeat their computation for every element of what they gather or are
    compared with: measured on a CPU, a draw with feedback took 380 µs instead of about 30. A
    scatter is not merged into what follows; `optimization_barrier` changed nothing.
    """
    return jnp.zeros_like(indices).at[jnp.arange(indices.shape[0])].set(indices)


def last_of_each(indices: Int[Array, " n"]) -> Bool[Array, " n"]:
    """Marks the last occurrence of every value, since the order of scattered writes is open."""
    n = indices.shape[0]
    later = jnp.arange(n)[:, None] < jnp.arange(n)[None, :]
    return ~jnp.any((indices[:, None] == indices[None, :]) & later, axis=1)


def importance_weights(
    priorities: Float[Array, " capacity"], indices: Int[Array, " n"], beta: float | Float[Array, ""]
) -> Float[Array, " n"]:
    """(p_i / p_min)^−β with p_min over all filled slots of the memory: at most 1.

    Priorities as stored, raised to `alpha`. Not normalised by the largest weight of the batch,
    as some libraries do.
    """
    smallest = jnp.min(jnp.where(priorities > 0, priorities, jnp.inf))
    chosen = priorities[indices]
    return jnp.where(chosen > 0, (jnp.where(chosen > 0, chosen, 1.0) / smallest) ** -beta, 0.0)


class Prioritized(AbstractReplay):
    """The last `capacity` items, drawn in proportion to (|error| + offset)^alpha.

    A new item gets the largest priority ever seen, so that it is likely to be drawn soon. Differs
    from the authors' code, whose draws never reach the newest filled slot: all filled slots can
    be drawn here.
    """

    capacity: int = eqx.field(static=True)
    alpha: float = eqx.field(static=True, default=0.5)  # 0: uniform, 1: proportional
    offset: float = eqx.field(static=True, default=1e-5)  # keeps an error of 0 drawable
    frames: FrameRing | None = None  # keeps the items, instead of a `Ring`; of this capacity

    def __check_init__(self):
        check_capacity(self.capacity)
        if self.alpha < 0:
            raise HandrailError(
                f"alpha of prioritized replay is {self.alpha}: it must be at least 0 (0 is uniform)"
            )
        if self.offset <= 0:
            raise HandrailError(
                f"offset of prioritized replay is {self.offset}: it must be above 0, "
                "or an item whose error is 0 is never drawn again"
            )

        if self.frames is not None and self.frames.capacity != self.capacity:
            raise HandrailError(
                f"prioritized replay has capacity {self.capacity}, its frames "
                f"{self.frames.capacity}: expected the same"
            )

    @property
    def _ring(self) -> Any:
        return Ring(self.capacity) if self.frames is None else self.frames

    def init(self, example: PyTree) -> PrioritizedState:
        ring = self._ring.init(example)
        return PrioritizedState(ring, jnp.zeros(self.capacity), jnp.ones(()))

    def size(self, state: PrioritizedState) -> Int[Array, ""]:
        return self._ring.size(state.ring)

    def add(
        self, state: PrioritizedState, item: PyTree, *, where: bool | Bool[Array, ""] = True
    ) -> PrioritizedState:
        slot = self._ring.slot(state.ring, where)
        priority = state.largest**self.alpha
        return PrioritizedState(
            ring=self._ring.add(state.ring, item, where=where),
            priorities=state.priorities.at[slot].set(priority, mode="drop"),
            largest=state.largest,
        )

    def sample(
        self,
        state: PrioritizedState,
        n: int,
        *,
        beta: float | Float[Array, ""] = 1.0,
        key: Key[Array, ""],
    ) -> Sample:
        priorities = state.priorities
        if self.frames is not None:  # a transition whose observations are lost is not drawn
            priorities = jnp.where(self.frames.filled(state.ring), priorities, 0.0)
        mass = jax.random.uniform(key, (n,)) * jnp.sum(priorities)
        # The sum and the running sum are rounded differently: the last mass may lie beyond.
        last = jnp.maximum(self._last(state), 0)
        indices = settled(jnp.minimum(indices_of_mass(priorities, mass), last))
        weights = importance_weights(priorities, indices, beta)
        return Sample(self._ring.read(state.ring, indices), indices, weights)

    def _last(self, state: PrioritizedState) -> Int[Array, ""]:
        """The last slot that can be drawn."""
        if self.frames is None:
            return self.size(state) - 1
        slots = jnp.arange(self.capacity)
        return jnp.max(jnp.where(self.frames.filled(state.ring), slots, -1))

    def observations(self, state: PrioritizedState) -> tuple[PyTree, Bool[Array, " rows"]]:
        return self._ring.observations(state.ring)

    def feedback(
        self, state: PrioritizedState, indices: Int[Array, " n"], errors: Float[Array, " n"]
    ) -> PrioritizedState:
        """Of a slot drawn more than once, the last error counts."""
        raw = jnp.abs(errors) + self.offset
        slots = jnp.where(last_of_each(indices), indices, self.capacity)
        return PrioritizedState(
            ring=state.ring,
            priorities=state.priorities.at[slots].set(raw**self.alpha, mode="drop"),
            largest=jnp.maximum(state.largest, jnp.max(raw)),
        )
