"""How an action space that agents cannot act in becomes one in which they can, for errors."""

from typing import Any

import numpy as np


def bounded(space: Any) -> str:
    """How a `Box` without all its bounds gets them: known ones stay, others are an example."""
    low, high = np.asarray(space.low, np.float64), np.asarray(space.high, np.float64)
    low, high = _example(low, high, -1.0), _example(high, low, 1.0)
    ends = ", ".join(_short(end) for end in (low, high))
    return (
        "give the Box a finite low and high, or wrap the environment, such as gymnasium.wrappers."
        f"TransformAction(env, lambda a: a, gymnasium.spaces.Box({ends}, {tuple(space.shape)}))"
    )


def whole_numbers(space: Any) -> str:
    """How a `Box` of whole numbers becomes one of real ones."""
    return (
        "wrap the environment so that it rounds, with space = env.action_space: "
        "gymnasium.wrappers.TransformAction(env, lambda a: numpy.rint(a).astype(space.dtype), "
        "gymnasium.spaces.Box(space.low.astype('float32'), space.high.astype('float32')))"
    )


def _example(ends: np.ndarray, others: np.ndarray, distance: float) -> np.ndarray:
    """These ends of a box, where infinite ones lie at a distance from the others."""
    return np.where(np.isfinite(ends), ends, np.where(np.isfinite(others), others, 0.0) + distance)


def _short(end: np.ndarray) -> str:
    """A bound as Python writes it: one number where all are equal."""
    flat = end.ravel().tolist()
    return str(flat[0]) if len(set(flat)) == 1 else f"numpy.float32({end.tolist()})"
