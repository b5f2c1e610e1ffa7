"""Trees of many small arrays as a few long ones, since a call on the device costs by the array."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree


class Packing:
    """How a tree of arrays lies in one vector for each dtype; packing changes no number.

    The tree given may hold shapes (`jax.ShapeDtypeStruct`), arrays or NumPy's numbers. Keys are
    packed as their raw numbers.
    """

    def __init__(self, tree: PyTree):
        leaves, self.structure = jax.tree.flatten(tree)
        self._groups: dict[Any, list[int]] = {}
        self._shapes: list[tuple[int, ...]] = []
        self._keys: list[bool] = []
        for index, leaf in enumerate(leaves):
            is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            raw = jax.eval_shape(jax.random.key_data, leaf) if is_key else leaf
            dtype = jax.dtypes.canonicalize_dtype(raw.dtype)
            self._groups.setdefault(np.dtype(dtype), []).append(index)
            self._shapes.append(raw.shape)
            self._keys.append(is_key)

    def pack(self, tree: PyTree) -> list[Array]:
        """One vector for each dtype, on the device."""
        leaves = self.structure.flatten_up_to(tree)
        raw = [
            jax.random.key_data(leaf) if is_key else leaf
            for leaf, is_key in zip(leaves, self._keys, strict=True)
        ]
        return [
            jnp.concatenate([jnp.ravel(jnp.asarray(raw[index], dtype)) for index in members])
            for dtype, members in self._groups.items()
        ]

    def pack_on_host(self, tree: PyTree) -> list[np.ndarray]:
        """The same in NumPy, for trees without keys."""
        leaves = jax.tree.leaves(tree)
        return [
            np.concatenate([leaves[index] for index in members], axis=None, dtype=dtype)
            for dtype, members in self._groups.items()
        ]

    def zeros(self, *axes: int) -> list[Array]:
        """Vectors of zeros, with the given axes in front."""
        return [
            jnp.zeros((*axes, sum(math.prod(self._shapes[index]) for index in members)), dtype)
            for dtype, members in self._groups.items()
        ]

    def unpack(self, vectors: list[Array]) -> PyTree:
        """The tree, from vectors that may have further axes in front."""
        leaves: list[Any] = [None] * len(self._shapes)
        for members, vector in zip(self._groups.values(), vectors, strict=True):
            begin = 0
            for index in members:
                shape = self._shapes[index]
                end = begin + math.prod(shape)
                leaf = vector[..., begin:end].reshape((*vector.shape[:-1], *shape))
                leaves[index] = jax.random.wrap_key_data(leaf) if self._keys[index] else leaf
                begin = end
        return jax.tree.unflatten(self.structure, leaves)
