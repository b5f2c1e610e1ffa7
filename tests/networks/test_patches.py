"""The patch table against the network on every frame, its naive twin."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.envs.lava import make_lava
from handrail.networks import patches
from handrail.networks.patches import (
    ENCODER_WINDOWS,
    PatchTable,
    all_values,
)
from handrail.networks.pixels import NatureQ, PixelEncoder


@pytest.fixture(scope="module")
def lava_frames():
    table = make_lava("LavaCrossingS9N1", observation="pixels", layout=123).observations
    return np.asarray(table.frames)[: table.live]


def naive(network, frames, cotangent):
    values, pullback = eqx.filter_vjp(lambda n: n.batch(frames), network)
    return values, pullback(cotangent)[0]


def fast(network, table, cotangent):
    values, pullback = eqx.filter_vjp(lambda n: all_values(n, table), network)
    return values, pullback(cotangent)[0]


def assert_equal_to_naive(network, frames, windows):
    table = PatchTable.compile(frames, windows)
    shape = eqx.filter_eval_shape(network.batch, jnp.asarray(frames)).shape
    cotangent = jax.random.normal(jax.random.key(5), shape)
    ours = eqx.filter_jit(fast)(network, table, cotangent)
    theirs = eqx.filter_jit(naive)(network, jnp.asarray(frames), cotangent)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max() + 1e-6)
    return table


def test_values_and_gradients_on_a_layout(lava_frames):
    network = NatureQ(7, key=jax.random.key(0))
    table = assert_equal_to_naive(network, lava_frames[:40], patches.NATURE_WINDOWS)
    single = eqx.filter_jit(lambda n, f: n(f))(network, jnp.asarray(lava_frames[7]))
    np.testing.assert_allclose(all_values(network, table)[7], single, atol=1e-5)
    np.testing.assert_array_equal(table(network), all_values(network, table))


def test_encoder_on_a_layout(lava_frames):
    assert_equal_to_naive(PixelEncoder(key=jax.random.key(0)), lava_frames[:5], ENCODER_WINDOWS)


def test_values_and_gradients_where_nothing_repeats():
    frames = np.random.default_rng(0).integers(0, 256, (3, 84, 84, 3)).astype(np.uint8)
    network = NatureQ(7, key=jax.random.key(1))
    table = assert_equal_to_naive(network, frames, patches.NATURE_WINDOWS)
    assert table.distinct == (1200, 243, 147)


def test_what_repeats_is_found(lava_frames):
    # Counted independently, by collecting the windows' bytes in a set.
    table = PatchTable.compile(lava_frames)
    assert table.distinct == (2513, 3274, 4624)
    seen = {
        frame[i : i + 36, j : j + 36].tobytes()
        for frame in lava_frames[:20]
        for i in range(0, 49, 8)
        for j in range(0, 49, 8)
    }
    assert PatchTable.compile(lava_frames[:20]).distinct[-1] == len(seen)
    twice = PatchTable.compile(np.concatenate([lava_frames, lava_frames]))
    assert twice.distinct == table.distinct
    np.testing.assert_array_equal(twice.places[168:], table.places)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 19), st.integers(1, 3), st.integers(0, 10_000))
def test_distinct_rows(n, width, levels, seed):
    rows = np.random.default_rng(seed).integers(0, levels, (n, width)).astype(np.uint8)
    first, number = patches._distinct_rows(rows)
    np.testing.assert_array_equal(rows[first][number], rows)
    assert len(first) == len(np.unique(rows, axis=0))
    assert list(first) == sorted(first)  # in the order of first appearance


def test_equal_hashes_of_different_rows_do_no_harm(monkeypatch):
    class Zeros:
        def integers(self, low, high, size, dtype):
            return np.zeros(size, dtype)

    real = np.bitwise_or
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Zeros())
    rows = np.arange(64, dtype=np.uint64).reshape(16, 4) << real(np.uint64(60), np.uint64(0))
    first, number = patches._distinct_rows(rows.view(np.uint8))
    np.testing.assert_array_equal(rows[first][number], rows)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 5), st.integers(0, 1000))
def test_gradient_of_a_gather_counts_every_use(sources, n, window, seed):
    rng = np.random.default_rng(seed)
    index = rng.integers(0, sources, (n, window)).astype(np.int32)
    rows = jnp.asarray(rng.standard_normal((sources, 3)), jnp.float32)
    cotangent = rng.standard_normal((n, window * 3)).astype(np.float32)
    out, pullback = jax.vjp(lambda r: patches._gather(r, jnp.asarray(index)), rows)
    np.testing.assert_array_equal(out, np.asarray(rows)[index].reshape(n, -1))
    naive_sum = np.zeros((sources, 3), np.float32)
    np.add.at(naive_sum, index.reshape(-1), cotangent.reshape(-1, 3))
    np.testing.assert_allclose(pullback(jnp.asarray(cotangent))[0], naive_sum, atol=1e-4)


def test_mistakes_are_named(lava_frames):
    with pytest.raises(HandrailError, match="float32"):
        PatchTable.compile(lava_frames.astype(np.float32))
    with pytest.raises(HandrailError, match="window of 8 does not fit"):
        PatchTable.compile(lava_frames[:, :6])
    table = PatchTable.compile(lava_frames[:1])
    with pytest.raises(HandrailError, match="compiled for windows"):
        all_values(PixelEncoder(key=jax.random.key(0)), table)
