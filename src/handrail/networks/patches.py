"""A convolutional network on every frame of a finite environment at once.

The frames of one layout differ only where the agent stands and looks, so nearly all of their
windows repeat. On LavaCrossingS9N1 (168 frames) 2,513 of 67,200 windows of the Nature
network's first layer are distinct, 3,274 of 13,608 receptive fields of the second and 4,624
of 8,232 of the third. Each layer is evaluated on its distinct windows only, as one matrix
product whose rows are gathered from the layer before. The result equals the network on
every frame up to rounding, for a fraction of the work. Losses that depend on the network only
through these values (any TD loss on transitions between the frames) need no other evaluation: one
forward and one backward pass serve a block of acting steps and the update at its end.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped, UInt8

from handrail.core.errors import HandrailError
from handrail.networks.convolution import AbstractConvNetwork

NATURE_WINDOWS = ((8, 4), (4, 2), (3, 1))  # (kernel, stride) of each layer
ENCODER_WINDOWS = ((3, 2), (3, 1), (3, 1), (3, 1))


class PatchTable(eqx.Module):
    """The distinct windows of a set of frames, and how each layer's rows gather the last one's."""

    pixels: UInt8[Array, "distinct k"]  # windows of the first layer, (row, column, channel)
    gathers: tuple[Int[Array, "_ _"], ...]  # one per further layer: rows of the last
    places: Int[Array, "frames places"]  # rows of the last layer that make up each frame
    windows: tuple[tuple[int, int], ...] = eqx.field(static=True)

    @staticmethod
    def compile(
        frames: np.ndarray, windows: Sequence[tuple[int, int]] = NATURE_WINDOWS
    ) -> "PatchTable":
        """The table for layers with the given (kernel, stride). On the host, not in a jit.

        `frames` are bytes `(frames, height, width, channels)`; one layout takes about 0.05 s.
        Raises `HandrailError` for other arrays and for frames too small for the windows.
        """
        frames = np.asarray(frames)
        if frames.ndim != 4 or frames.dtype != np.uint8 or not len(frames):
            raise HandrailError(
                f"frames are {frames.dtype} of shape {frames.shape}: expected bytes of shape "
                "(frames, height, width, channels)"
            )
        distinct, number = [], frames
        for kernel, stride in windows:
            if kernel > min(number.shape[1:3]):
                raise HandrailError(
                    f"a window of {kernel} does not fit into {number.shape[1:3]} "
                    f"places left of frames of shape {frames.shape}: use larger frames"
                )
            rows, number = _distinct_windows(number, kernel, stride)
            distinct.append(rows)
        return PatchTable(
            pixels=jnp.asarray(distinct[0]),
            gathers=tuple(jnp.asarray(rows) for rows in distinct[1:]),
            places=jnp.asarray(number.reshape(len(frames), -1)),
            windows=tuple((int(k), int(s)) for k, s in windows),
        )

    @property
    def distinct(self) -> tuple[int, ...]:
        """How many different windows each layer sees."""
        return (len(self.pixels), *(len(rows) for rows in self.gathers))

    def __call__(self, network: AbstractConvNetwork) -> Float[Array, "frames outputs"]:
        """`all_values` of the network: lets a table stand for an evaluation of all rows."""
        return all_values(network, self)


def all_values(network: AbstractConvNetwork, table: PatchTable) -> Float[Array, "frames outputs"]:
    """The network on every frame of the table; differentiable with respect to the network.

    Equals `vmap(network)(frames)` up to rounding. Raises `HandrailError` if the table was
    compiled for other layers.
    """
    windows = tuple((conv.weight.shape[1], conv.stride) for conv in network.convs)
    if windows != table.windows:
        raise HandrailError(
            f"the table was compiled for windows {table.windows}, the network has {windows}: "
            f"use PatchTable.compile(frames, {windows})"
        )
    rows = network.normalise(table.pixels)
    for number, conv in enumerate(network.convs):
        if number:
            rows = _gather(rows, table.gathers[number - 1])
        matrix = conv.weight.reshape(conv.weight.shape[0], -1)
        rows = jax.nn.relu(rows @ matrix.T + conv.bias[None])
    return jax.vmap(network.head)(_gather(rows, table.places))


def _gather(rows: Float[Array, "rows c"], index: Int[Array, "n window"]) -> Float[Array, "n k"]:
    # Its gradient, XLA's scatter-add, is no bottleneck: 1.2 of 20 ms (benchmarks/patches.py).
    return rows.at[index].get(mode="promise_in_bounds").reshape(len(index), -1)


def _distinct_windows(
    maps: Shaped[np.ndarray, "frames h w *channels"], kernel: int, stride: int
) -> tuple[Shaped[np.ndarray, "distinct k"], Int[np.ndarray, "frames oh ow"]]:
    """The different windows of all maps, and the number of the one at each place."""
    view = np.lib.stride_tricks.sliding_window_view(maps, (kernel, kernel), axis=(1, 2))
    view = view[:, ::stride, ::stride]
    if maps.ndim == 4:  # channels last within a window
        view = np.moveaxis(view, 3, -1)
    places = view.shape[:3]
    rows = np.ascontiguousarray(view).reshape(np.prod(places), -1)
    first, number = _distinct_rows(rows)
    return rows[first], number.reshape(places)


def _distinct_rows(
    rows: Shaped[np.ndarray, "n k"],
) -> tuple[Int[np.ndarray, " distinct"], Int[np.ndarray, " n"]]:
    """Where each different row first appears, and which of them every row equals.

    Rows are compared by a 64-bit hash, far faster than sorting whole rows; the result is
    then checked against the rows themselves.
    """
    width = rows.shape[1] * rows.itemsize
    raw = np.zeros((len(rows), -(-width // 8) * 8), np.uint8)
    raw[:, :width] = rows.view(np.uint8).reshape(len(rows), width)
    code = np.zeros(len(rows), np.uint64)
    factors = np.random.default_rng(0).integers(2**62, 2**64, raw.shape[1] // 8, dtype=np.uint64)
    for word, factor in zip(raw.view(np.uint64).T, factors | np.uint64(1), strict=True):
        code = (code ^ word) * factor  # wraps around
        code ^= code >> np.uint64(29)
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)  # by first appearance: neighbours in a frame stay neighbours
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    first, number = first[order], rank[number]
    if not np.array_equal(rows[first][number], rows):  # two rows with one hash: compare whole rows
        _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, number.reshape(-1).astype(np.int32)
