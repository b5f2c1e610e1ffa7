"""Replay of large observations: each is kept once, though two transitions have it.

What a step reaches is where the next one begins, unless an episode ended in between.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.replay.base import AbstractReplay, AbstractReplayState, Sample, slots_for
from handrail.replay.ring import Ring, RingState, check_capacity


class FrameRingState(AbstractReplayState):
    """Transitions, with the numbers of their observations in place of these.

    Observation n lies in row n modulo the rows of `frames`.
    """

    ring: RingState
    frames: Any
    written: Int[Array, ""]  # observations, ever
    last_of: Int[Array, " rows"]  # the number of the last transition that is lost with a row
    oldest: Int[Array, ""]  # number of the oldest transition whose observations are all there

    @property
    def items(self) -> Any:
        """The transitions, as `RingState` has them, with numbers of observations."""
        return self.ring.items


class FrameRing(AbstractReplay):
    """The last `capacity` transitions, drawn uniformly; observations are kept once.

    A transition that begins where the one of `width` steps before it ended (byte by byte) shares
    that observation. So it takes 1 + 1/n observations a transition in episodes of n steps, instead
    of 2, and the memory has rows for n = 8: in shorter episodes it remembers fewer transitions,
    down to about half. What is drawn equals what a `Ring` of whole transitions draws, as long as
    none was lost that way.

    Attributes:
        capacity: transitions.
        width: environments whose steps are added by turns.
    """

    capacity: int = eqx.field(static=True)
    width: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        check_capacity(self.capacity)
        if self.width < 1:
            raise HandrailError(f"width of the replay is {self.width}: expected at least 1")

    @property
    def rows(self) -> int:
        """Observations that there is room for."""
        return self.capacity + self.capacity // 8 + self.width + 1

    @property
    def _ring(self) -> Ring:
        return Ring(self.capacity)

    def init(self, example: Transition) -> FrameRingState:
        return FrameRingState(
            ring=self._ring.init(_numbered(example, jnp.int32(0), jnp.int32(0))),
            frames=slots_for(example.observation, self.rows),
            written=jnp.zeros((), jnp.int32),
            last_of=jnp.full(self.rows, -1, jnp.int32),
            oldest=jnp.zeros((), jnp.int32),
        )

    def size(self, state: FrameRingState) -> Int[Array, ""]:
        return state.ring.added - state.oldest

    def slot(self, state: FrameRingState, where: bool | Bool[Array, ""] = True) -> Int[Array, ""]:
        """The slot written next; `capacity`, which no write reaches, if not `where`."""
        return self._ring.slot(state.ring, where)

    def add(
        self, state: FrameRingState, item: Transition, *, where: bool | Bool[Array, ""] = True
    ) -> FrameRingState:
        number = state.ring.added
        before = state.ring.items.next_observation[(number - self.width) % self.capacity]
        same = [
            jnp.array_equal(frames[before % self.rows], leaf)
            for frames, leaf in zip(
                jax.tree.leaves(state.frames), jax.tree.leaves(item.observation), strict=True
            )
        ]
        held = (number >= self.width) & (before > state.written - self.rows)
        shared = held & jnp.all(jnp.array(same))
        begin = jnp.where(shared, before, state.written)
        end = state.written + jnp.where(shared, 0, 1)
        state = self._write(state, item.observation, begin, number, where & ~shared)
        state = self._write(state, item.next_observation, end, number, where)
        # a shared observation is lost to this transition as well
        row = jnp.where(where, begin % self.rows, self.rows)
        return FrameRingState(
            ring=self._ring.add(state.ring, _numbered(item, begin, end), where=where),
            frames=state.frames,
            written=state.written,
            last_of=state.last_of.at[row].set(number, mode="drop"),
            oldest=jnp.maximum(
                state.oldest, number + jnp.asarray(where, jnp.int32) - self.capacity
            ),
        )

    def _write(self, state: FrameRingState, observation: PyTree, number, owner, where):
        """An observation in the place of the oldest, whose transitions are lost."""
        row = number % self.rows
        slot = jnp.where(where, row, self.rows)
        lost = jnp.where(where, state.last_of[row] + 1, 0)
        return FrameRingState(
            ring=state.ring,
            frames=jax.tree.map(
                lambda frames, leaf: frames.at[slot].set(leaf, mode="drop"),
                state.frames,
                observation,
            ),
            written=state.written + jnp.asarray(where, jnp.int32),
            last_of=state.last_of.at[slot].set(owner, mode="drop"),
            oldest=jnp.maximum(state.oldest, lost),
        )

    def filled(self, state: FrameRingState) -> Bool[Array, " capacity"]:
        """Which slots hold a transition whose observations are there."""
        slots = jnp.arange(self.capacity)
        newest = state.ring.added - 1
        number = newest - (newest - slots) % self.capacity
        return (number >= state.oldest) & (number >= 0)

    def observations(self, state: FrameRingState) -> tuple[PyTree, Bool[Array, " rows"]]:
        return state.frames, jnp.arange(self.rows) < state.written

    def read(self, state: FrameRingState, indices: Int[Array, " n"]) -> Transition:
        """The whole transitions in the given slots."""
        items = self._ring.read(state.ring, indices)

        def seen(numbers):
            return jax.tree.map(lambda frames: frames[numbers % self.rows], state.frames)

        return _numbered(items, seen(items.observation), seen(items.next_observation))

    def sample(
        self,
        state: FrameRingState,
        n: int,
        *,
        beta: float | Float[Array, ""] = 1.0,
        key: Key[Array, ""],
    ) -> Sample:
        size = self.size(state)
        drawn = jax.random.randint(key, (n,), 0, jnp.maximum(size, 1))
        # slots from 0 on, as in a `Ring`, unless some of them are lost
        whole = size == jnp.minimum(state.ring.added, self.capacity)
        indices = (jnp.where(whole, 0, state.oldest) + drawn) % self.capacity
        weights = jnp.broadcast_to(jnp.where(size > 0, 1.0, 0.0), (n,))
        return Sample(self.read(state, indices), indices, weights)


def _numbered(transition: Transition, begin: Any, end: Any) -> Transition:
    """The transition between other observations."""
    # not `dataclasses.replace`, since a transition here may be many
    return eqx.tree_at(lambda t: (t.observation, t.next_observation), transition, (begin, end))
