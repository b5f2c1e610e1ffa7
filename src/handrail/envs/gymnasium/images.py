"""Which parts of an observation are images, as convolutions read them: height × width × channels,
or a stack of frames of these.
"""

from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.networks.image_network import BYTES, ImageValues

SMALLEST_IMAGE = 32
"""Pixels of both sides from which on numbers are taken for an image; MiniGrid's grids have 7."""
ROUNDING = 1e-5
"""How far a float may leave its bounds, as a share of their distance."""


def image_values(space: Any) -> ImageValues | None:
    """What the numbers of an image are; None of a space that is none, or whose axes or bounds are
    not those of one (`refuse_odd_image` says which).
    """
    if _looks_like_image(space) and _odd(space) is None:
        return _values(space)
    return None


def refuse_odd_image(space: Any, called: str) -> None:
    """Raises `HandrailError` for what looks like an image but cannot be read as one."""
    problem = _odd(space) if _looks_like_image(space) else None
    if problem is not None:
        raise HandrailError(f"the {called} {problem}")


def as_image(array: np.ndarray, values: ImageValues, called: str) -> np.ndarray:
    """An image as networks read it, a copy. Raises `HandrailError` beyond the bounds."""
    if values.dtype == "uint8":
        if array.dtype == np.uint8 and values == BYTES:
            return array.copy()
        if array.dtype.kind not in "iu":
            raise HandrailError(
                f"the {called} has dtype {array.dtype} and values from {array.min():g} to "
                f"{array.max():g}, but its space declares bytes from {values.low:g} to "
                f"{values.high:g}: return whole numbers of dtype uint8, or declare a Box of "
                "float32 with the bounds that the values have"
            )
    low, high = float(array.min()), float(array.max())
    slack = ROUNDING * (values.high - values.low) if values.dtype == "float32" else 0.0
    if not (values.low - slack <= low and high <= values.high + slack):
        raise HandrailError(
            f"the {called} has values from {low:g} to {high:g}, beyond the bounds {values.low:g} "
            f"and {values.high:g} that its space declares: declare the bounds that they have, or "
            "scale them"
        )
    return array.astype(values.dtype)


def _looks_like_image(space: Any) -> bool:
    """Whether two axes that follow each other are as long as an image's, where those can be."""
    if type(space).__name__ != "Box":
        return False
    shape, is_bytes = tuple(space.shape), _are_bytes(space)
    if len(shape) == 2:
        return is_bytes and min(shape) >= SMALLEST_IMAGE
    if len(shape) not in (3, 4):
        return False
    return min(shape[-3:-1]) >= SMALLEST_IMAGE or (
        _channels_first(shape) and (is_bytes or _values(space) is not None)
    )


def _channels_first(shape: tuple[int, ...]) -> bool:
    return shape[-3] < SMALLEST_IMAGE <= min(shape[-2:])


def _odd(space: Any) -> str | None:
    """Why what looks like an image cannot be read as one, with the way out; None if it can."""
    shape = tuple(space.shape)
    text, wrapper = f"has shape {shape}", "gymnasium.wrappers.TransformObservation(env, function, "
    if len(shape) == 2:
        return (
            f"{text}, an image without channels; expected height × width × channels: add the axis "
            f"with {wrapper}space), where the function is lambda image: image[..., None] and the "
            f"space's shape is {(*shape, 1)}"
        )
    if _channels_first(shape):
        axis = len(shape) - 3
        return (
            f"{text}, an image with its channels first; expected height × width × channels: move "
            f"the axis with {wrapper}space), where the function is lambda image: "
            f"numpy.moveaxis(image, {axis}, -1) and the space's shape is "
            f"{(*shape[:axis], *shape[axis + 1 :], shape[axis])}"
        )
    if _values(space) is None:
        return (
            f"{text} and dtype {space.dtype} without finite bounds, which say what is black and "
            "what is white: declare a Box with the least and the greatest value as bounds, or, if "
            "it is no image, give its numbers as one vector "
            "(gymnasium.wrappers.FlattenObservation)"
        )
    return None


def _are_bytes(space: Any) -> bool:
    dtype = np.dtype(space.dtype)
    if dtype == np.uint8:
        return True
    return dtype.kind in "iu" and bool(space.low.min() >= 0 and space.high.max() == 255)


def _values(space: Any) -> ImageValues | None:
    low, high = float(np.min(space.low)), float(np.max(space.high))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        return None
    return ImageValues(low, high, "uint8" if _are_bytes(space) else "float32")
