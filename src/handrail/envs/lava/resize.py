"""Resizing of rendered frames to 84 × 84, to the bit as the published experiments did it.

They resized by area interpolation in OpenCV, which is not a dependency here. OpenCV computes
enlargements in fixed point with 11-bit coefficients and reductions in single precision;
both are reproduced (recorded data: `oracle/algorithms/SPEC.md`, a7).
"""

import functools

import numpy as np
from jaxtyping import Int, Shaped, UInt8

SIDE = 84
_CHUNK = 4  # frames at a time, so that intermediate sums stay in the cache: five times faster

Taps = tuple[Int[np.ndarray, "84 taps"], Shaped[np.ndarray, "84 taps"]]


def resize(
    frames: UInt8[np.ndarray, "frames height width 3"],
) -> UInt8[np.ndarray, "frames 84 84 3"]:
    """Area interpolation to 84 x 84 x 3. Only where both sides shrink is it an average.

    Equal to OpenCV's result if both sides grow or both shrink, as they do for all of MiniGrid's
    grids; a few pixels differ if one grows and the other shrinks.
    """
    count, height, width, channels = frames.shape
    shrinks = height > SIDE and width > SIDE
    taps = reducing_taps if shrinks else enlarging_taps
    rows, row_weights = taps(height)
    columns, column_weights = taps(width)
    # Channels lie next to each other in memory, so a column is `channels` neighbours.
    columns = (columns[:, None] * channels + np.arange(channels)[:, None]).reshape(
        -1, len(columns[0])
    )
    column_weights = np.repeat(column_weights, channels, axis=0)
    mix = _mean if shrinks else _fixed_point
    resized = np.empty((count, SIDE, SIDE * channels), np.uint8)
    for i in range(0, count, _CHUNK):
        chunk = frames[i : i + _CHUNK].reshape(-1, height, width * channels)
        resized[i : i + _CHUNK] = mix(chunk, rows, row_weights, columns, column_weights)
    return resized.reshape(count, SIDE, SIDE, channels)


@functools.cache
def enlarging_taps(size: int) -> Taps:
    """Per target pixel two source pixels and their weights, integers in units of 1/2048."""
    scale = size / SIDE
    target = np.arange(SIDE)
    source = np.floor(target * scale).astype(int)
    share = (target + 1) - (source + 1) / scale
    share = np.where(share <= 0, 0.0, share - np.floor(share)).astype(np.float32)
    share = np.where(source >= size - 1, np.float32(0), share)
    source = np.minimum(source, size - 1)
    weights = np.rint(np.stack([1 - share, share], axis=1) * np.float32(2048)).astype(np.int32)
    return np.stack([source, np.minimum(source + 1, size - 1)], axis=1), weights


@functools.cache
def reducing_taps(size: int) -> Taps:
    """Per target pixel the source pixels that it covers and their shares of its area.

    Padded with weights of 0, which add nothing.
    """
    scale = size / SIDE
    most = int(np.ceil(scale)) + 1
    sources = np.zeros((SIDE, most), int)
    weights = np.zeros((SIDE, most), np.float32)
    for target in range(SIDE):
        begin, end = target * scale, (target + 1) * scale
        cell = min(scale, size - begin)
        last = min(int(np.floor(end)), size - 1)
        first = min(int(np.ceil(begin)), last)
        covered = [(source, 1 / cell) for source in range(first, last)]
        if first - begin > 1e-3:
            covered.insert(0, (first - 1, (first - begin) / cell))
        if end - last > 1e-3:
            covered.append((last, min(end - last, 1.0, cell) / cell))
        for tap, (source, weight) in enumerate(covered):
            sources[target, tap], weights[target, tap] = source, weight
    return sources, weights


def _fixed_point(frames, rows, row_weights, columns, column_weights):
    whole = frames.astype(np.int32)
    left, right = (whole.take(columns[:, tap], axis=2) * column_weights[:, tap] for tap in (0, 1))
    across = (left + right) >> 4  # these bits are dropped before the rows mix, sixteen after
    upper, lower = (
        (across.take(rows[:, tap], axis=1) * row_weights[:, tap, None]) >> 16 for tap in (0, 1)
    )
    return (upper + lower + 2) >> 2


def _mean(frames, rows, row_weights, columns, column_weights):
    # Sums run over the taps in order: single precision is not associative.
    single = frames.astype(np.float32)
    across = np.float32(0)
    for tap in range(columns.shape[1]):
        across = across + single.take(columns[:, tap], axis=2) * column_weights[:, tap]
    down = np.float32(0)
    for tap in range(rows.shape[1]):
        down = down + across.take(rows[:, tap], axis=1) * row_weights[:, tap, None]
    return np.rint(down)
