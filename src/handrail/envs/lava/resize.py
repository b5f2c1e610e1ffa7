"""Resizing of rendered frames to 84 × 84, to the bit as the published experiments did it.

They resized by area interpolation in OpenCV, which is not a dependency here. OpenCV computes
enlargements in fixed point with 11-bit coefficients and reductions in single precision;
both are reproduced (recorded data: `oracle/algorithms/SPEC.md`, a7).
"""

import functools

import numpy as np
from jaxtyping import Float, Int, UInt8

SIDE = 84


def resize(frames: UInt8[np.ndarray, "frames height width 3"]) -> UInt8[np.ndarray, "frames 84 84 3"]:
    """Area interpolation to 84 × 84 × 3. Only where both sides shrink is it an average."""
    height, width = frames.shape[1:3]
    if height > SIDE and width > SIDE:
        return _reduce(frames)
    return _enlarge(frames)


@functools.cache
def enlarging_taps(size: int) -> tuple[Int[np.ndarray, "84 2"], Int[np.ndarray, "84 2"]]:
    """Per target pixel two source pixels and their weights, in units of 1/2048."""
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
def reducing_taps(size: int) -> list[list[tuple[int, Float[np.ndarray, ""]]]]:
    """Per target pixel the source pixels that it covers, with their shares of its area."""
    scale = size / SIDE
    taps = []
    for target in range(SIDE):
        begin, end = target * scale, (target + 1) * scale
        cell = min(scale, size - begin)
        last = min(int(np.floor(end)), size - 1)
        first = min(int(np.ceil(begin)), last)
        covered = []
        if first - begin > 1e-3:
            covered.append((first - 1, np.float32((first - begin) / cell)))
        covered += [(source, np.float32(1 / cell)) for source in range(first, last)]
        if end - last > 1e-3:
            covered.append((last, np.float32(min(end - last, 1.0, cell) / cell)))
        taps.append(covered)
    return taps


def _enlarge(frames: np.ndarray) -> np.ndarray:
    rows, row_weights = enlarging_taps(frames.shape[1])
    columns, column_weights = enlarging_taps(frames.shape[2])
    a, b = column_weights.T[:, :, None]
    # Columns first, on the source's rows only; the shift by 4 is taken before the rows mix.
    across = (frames[:, :, columns[:, 0]] * a + frames[:, :, columns[:, 1]] * b) >> 4
    a, b = row_weights.T[:, :, None, None]
    upper = (across[:, rows[:, 0]] * a) >> 16
    lower = (across[:, rows[:, 1]] * b) >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _reduce(frames: np.ndarray) -> np.ndarray:
    # Sums run over the taps in order: single precision is not associative.
    count, height, width, channels = frames.shape
    across = np.zeros((count, height, SIDE, channels), np.float32)
    for target, taps in enumerate(reducing_taps(width)):
        for source, weight in taps:
            across[:, :, target] += frames[:, :, source] * weight
    down = np.zeros((count, SIDE, SIDE, channels), np.float32)
    for target, taps in enumerate(reducing_taps(height)):
        for source, weight in taps:
            down[:, target] += across[:, source] * weight
    return np.rint(down).astype(np.uint8)
