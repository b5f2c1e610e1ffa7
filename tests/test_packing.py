"""Packing loses nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.packing import Packing

TREE = {
    "a": jnp.arange(6.0).reshape(2, 3),
    "flag": jnp.array(True),
    "key": jax.random.key(5),
    "many": [jnp.int32(3), jnp.arange(4), jnp.float32(np.pi)],
    "empty": jnp.zeros((0, 2)),
}


def same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


def test_what_is_packed_is_unpacked():
    packing = Packing(TREE)
    vectors = packing.pack(TREE)
    assert sorted(str(vector.dtype) for vector in vectors) == ["bool", "float32", "int32", "uint32"]
    same(packing.unpack(vectors), TREE)
    same(Packing(jax.eval_shape(lambda: TREE)).unpack(vectors), TREE)


def test_rows_are_unpacked_at_once():
    packing = Packing(TREE)
    rows = [jnp.stack([vector, vector]) for vector in packing.pack(TREE)]
    assert [x.shape for x in packing.zeros(2)] == [x.shape for x in rows]
    both = packing.unpack(rows)
    same(jax.tree.map(lambda x: x[1], both), TREE)


def test_the_host_packs_alike_and_shortens_what_the_device_would():
    tree = {"a": np.arange(3.0), "b": np.float64(2), "c": np.bool_(True), "d": np.zeros((2, 1))}
    packing = Packing(tree)
    host, device = packing.pack_on_host(tree), packing.pack(tree)
    assert [x.dtype for x in host] == [x.dtype for x in device] == [np.float32, np.bool_]
    for one, other in zip(host, device, strict=True):
        np.testing.assert_array_equal(one, other)
