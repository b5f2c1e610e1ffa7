"""How an action space that agents cannot act in becomes one in which they can, for errors."""

import math
from typing import Any

import numpy as np

MOST_CHOICES = 1_000
"""Combinations up to which a space of several choices is proposed as one `Discrete`."""


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


def to_box_or_discrete(space: Any) -> str:
    """How any other space becomes a `Box` or a `Discrete`."""
    kind = type(space).__name__
    sizes = _sizes(space)
    if sizes and math.prod(sizes) <= MOST_CHOICES:
        made = f"numpy.reshape(numpy.unravel_index(int(a), {sizes}), space.shape)"
        first = " + space.start" if kind == "MultiDiscrete" and np.any(space.start) else ""
        return (
            "number the combinations, with space = env.action_space: gymnasium.wrappers."
            f"TransformAction(env, lambda a: {made}.astype(space.dtype){first}, "
            f"gymnasium.spaces.Discrete({math.prod(sizes)}))"
        )
    if _all_real(space):
        return (
            "flatten it, with space = env.action_space: gymnasium.wrappers.TransformAction(env, "
            "lambda a: gymnasium.spaces.unflatten(space, a), gymnasium.spaces.flatten_space(space))"
        )
    return (
        "wrap the environment with gymnasium.wrappers.TransformAction(env, function, space), "
        "where `space` is one of those and `function` makes the environment's action of its"
    )


def _example(ends: np.ndarray, others: np.ndarray, distance: float) -> np.ndarray:
    """These ends of a box, where infinite ones lie at a distance from the others."""
    return np.where(np.isfinite(ends), ends, np.where(np.isfinite(others), others, 0.0) + distance)


def _short(end: np.ndarray) -> str:
    """A bound as Python writes it: one number where all are equal."""
    flat = end.ravel().tolist()
    return str(flat[0]) if len(set(flat)) == 1 else f"numpy.float32({end.tolist()})"


def _sizes(space: Any) -> tuple[int, ...]:
    """How many choices there are for each number of a space of several; none for other spaces."""
    kind = type(space).__name__
    if kind == "MultiDiscrete":
        return tuple(np.ravel(space.nvec).tolist())
    return (2,) * math.prod(space.shape) if kind == "MultiBinary" else ()


def _all_real(space: Any) -> bool:
    """Whether it holds nothing but boxes of real numbers."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        return type(space).__name__ == "Box" and np.issubdtype(space.dtype, np.floating)
    return all(map(_all_real, inner.values() if hasattr(inner, "values") else inner))
