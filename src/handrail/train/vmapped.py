"""Many compiled runs as one program: what fills a GPU."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.train.compiled import Loop, RunState
from handrail.train.step import Record

AXIS = "runs"
"""Of a program's runs, by which a loop asks whether any of them needs something (`Loop.runs`)."""


class VmappedRuns:
    """Runs that differ in their arrays alone (a guide each, say) and in their keys.

    Each takes the steps and updates that it would take by itself, but for rounding. States,
    records and metrics are those of `Loop` with a leading axis of runs, so that run i's are
    `jax.tree.map(lambda leaf: leaf[i], states)`.

    Raises `HandrailError` where the loops are not of one make: other networks, settings or tasks.
    """

    def __init__(self, loops: Sequence[Loop]):
        if not loops:
            raise HandrailError("no loops to run together: expected at least one")
        for index, loop in enumerate(loops):
            if not alike(loop, loops[0]):
                raise HandrailError(
                    f"loop {index} is not made like loop 0: runs of one program may differ in "
                    "their keys and in the arrays of their knowledge alone (functions are the same "
                    "only if they are one object: derive the loops from one); or run it by itself"
                )
        self.runs = len(loops)
        self._shapes = jax.eval_shape(lambda key: loops[0].init(key=key), jax.random.key(0))
        loops = [dataclasses.replace(loop, runs=AXIS) for loop in loops]
        arrays, statics = zip(*(eqx.partition(loop, eqx.is_array) for loop in loops), strict=True)
        static, tree = statics[0], jax.tree.structure(arrays[0])
        # each run has its own, also where they are equal: the program does not depend on that
        self._leaves = list(map(jnp.stack, zip(*map(jax.tree.leaves, arrays), strict=True)))

        def loop_of(own) -> Loop:
            return eqx.combine(jax.tree.unflatten(tree, own), static)

        def init(own, key):
            return loop_of(own).init(key=key)

        def blocks(own, state, count: int, learn: bool):
            return loop_of(own).blocks(state, count, learn=learn)

        def mapped(leaves, states, count: int, learn: bool):
            each = jax.vmap(lambda own, state: blocks(own, state, count, learn), axis_name=AXIS)
            return each(leaves, states)

        self._init = jax.jit(jax.vmap(init, axis_name=AXIS))
        # the states are donated: the replays of all runs are what fills the memory
        self._blocks = jax.jit(mapped, static_argnums=(2, 3), donate_argnums=1)

    def init(self, keys: Key[Array, " runs"]) -> RunState:
        """The states before the first step, of runs with these keys."""
        if keys.shape != (self.runs,):
            raise HandrailError(f"{keys.shape} keys for {self.runs} runs: expected one key each")
        return self._init(self._leaves, keys)

    def blocks(
        self, states: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, Array]]:
        """`Loop.blocks` of every run. The states that are passed are used up."""
        return self._blocks(self._leaves, states, count, learn)

    def side_by_side(self, states: Sequence[RunState]) -> RunState:
        """Runs' states, one each, with an axis of runs.

        Arrays by row that are shorter than those of padded loops are filled up with zeros.
        """

        def stack(shape, *leaves):
            return jnp.stack([_longer(leaf, shape.shape) for leaf in leaves])

        return jax.tree.map(stack, self._shapes, *states)

    def state_of(self, states: RunState, run: int, like: PyTree) -> RunState:
        """A copy of one run's state; its arrays have the shapes of those in `like`."""
        taken = _taken(states, run)
        return jax.tree.map(lambda leaf, own: _shorter(leaf, own.shape), taken, like)


@jax.jit
def _taken(states: RunState, run: Any) -> RunState:
    return jax.tree.map(lambda leaf: leaf[run], states)


def _longer(leaf: Any, shape: tuple[int, ...]) -> Array:
    if leaf.shape == shape:
        return leaf
    return jnp.zeros(shape, leaf.dtype).at[tuple(map(slice, leaf.shape))].set(leaf)


def _shorter(leaf: Any, shape: tuple[int, ...]) -> Any:
    return leaf if leaf.shape == shape else leaf[tuple(map(slice, shape))]


def alike(loop: Any, other: Any) -> bool:
    """Whether loops are of one make: they differ in the values of their arrays alone."""
    makes = [eqx.partition(each, eqx.is_array) for each in (loop, other)]
    (own, static), (others, other_static) = makes
    return bool(eqx.tree_equal((static, *_shapes(own)), (other_static, *_shapes(others))))


def _shapes(arrays: PyTree) -> tuple[Any, list[tuple[Any, ...]]]:
    leaves, tree = jax.tree.flatten(arrays)
    return tree, [(leaf.shape, leaf.dtype) for leaf in leaves]
