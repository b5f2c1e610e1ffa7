"""Many compiled runs as one program: what fills a GPU."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.train.compiled import Loop, RunState
from handrail.train.step import Record


class VmappedRuns:
    """Runs that differ in their arrays alone (a guide each, say) and in their keys.

    Each takes the steps and updates that it would take by itself, but for rounding. States,
    records and metrics are those of `Loop` with a leading axis of runs, so that run i's are
    `jax.tree.map(lambda leaf: leaf[i], states)`. What the loops have in common by identity (a
    table, one guide for all) is held once.

    Raises `HandrailError` where the loops are not of one make: other networks, settings or tasks.
    """

    def __init__(self, loops: Sequence[Loop]):
        if not loops:
            raise HandrailError("no loops to run together: expected at least one")
        arrays, statics = zip(*(eqx.partition(loop, eqx.is_array) for loop in loops), strict=True)
        makes = [(static, *_shapes(own)) for own, static in zip(arrays, statics, strict=True)]
        for index, make in enumerate(makes):
            if not eqx.tree_equal(make, makes[0]):
                raise HandrailError(
                    f"loop {index} is not made like loop 0: runs of one program may differ in "
                    "their keys and in the arrays of their knowledge alone (functions are the same "
                    "only if they are one object: derive the loops from one); or run it by itself"
                )
        self.runs = len(loops)
        static, tree = statics[0], jax.tree.structure(arrays[0])
        leaves = list(zip(*map(jax.tree.leaves, arrays), strict=True))
        shared = [all(leaf is each[0] for leaf in each) for each in leaves]
        axes = [None if same else 0 for same in shared]
        self._leaves = [
            each[0] if same else jnp.stack(each) for each, same in zip(leaves, shared, strict=True)
        ]

        def loop_of(own) -> Loop:
            return eqx.combine(jax.tree.unflatten(tree, own), static)

        def init(own, key):
            return loop_of(own).init(key=key)

        def blocks(own, state, count: int, learn: bool):
            return loop_of(own).blocks(state, count, learn=learn)

        def mapped(leaves, states, count: int, learn: bool):
            each = jax.vmap(lambda own, state: blocks(own, state, count, learn), in_axes=(axes, 0))
            return each(leaves, states)

        self._init = jax.jit(jax.vmap(init, in_axes=(axes, 0)))
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


def _shapes(arrays: PyTree) -> tuple[Any, list[tuple[Any, ...]]]:
    leaves, tree = jax.tree.flatten(arrays)
    return tree, [(leaf.shape, leaf.dtype) for leaf in leaves]
