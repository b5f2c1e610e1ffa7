"""The arrays of an artefact's file: read once their sizes are known, and looked at before use."""

import hashlib
import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError

MOST_HEADER = 16 * 2**20
"""Bytes of a file's header: card, names and shapes."""
MOST_ARRAYS = 100_000
LEAST_WIDTH = 1_024
"""Up to which the size of a part without numbers is not questioned."""


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and arrays of a safetensors file; `HandrailError` where it is none.

    Sizes are compared before an array is read: of the header, of what the arrays take, and of
    those without numbers, whose shapes no byte of the file stands for.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with open(path, "rb") as raw:
            header = int.from_bytes(raw.read(8), "little")
        if header > MOST_HEADER:
            raise ValueError(f"a header of {header:,} bytes; at most {MOST_HEADER:,} are read")
        with safe_open(str(path), framework="numpy") as file:
            names = list(file.keys())
            if len(names) > MOST_ARRAYS:
                raise ValueError(f"{len(names):,} arrays; at most {MOST_ARRAYS:,} are read")
            _check_shapes({name: file.get_slice(name).get_shape() for name in names})
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        # TypeError and KeyError: an intact file with a dtype that NumPy does not have
        raise HandrailError(f"{path} is damaged or not a safetensors file: {error}") from None


def check_finite(arrays: Mapping[str, np.ndarray], *, source: str) -> None:
    """Raises `HandrailError` with the first array in which a number is not finite."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.inexact) and not np.all(np.isfinite(array)):
            count = int(np.sum(~np.isfinite(array)))
            raise HandrailError(
                f"{source}: array {name!r} holds {count:,} of {array.size:,} numbers that are not "
                "finite (NaN or infinite); train it again, or take another file"
            )


def check_layers(
    network: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, source: str
) -> None:
    """Raises `HandrailError` where a card names wider or more layers than the arrays can fill.

    So that no network is built, to be compared with the arrays, that is larger than they are.
    """
    held = sum(array.size for array in arrays.values())
    for name, value in network.items():
        if not isinstance(value, list) or not all(type(entry) is int for entry in value):
            continue
        needed = max(sum(a * b for a, b in itertools.pairwise(value)), *value, 0)
        if len(value) > len(arrays) or needed > held:
            raise HandrailError(
                f"{source}: the card's network has {name} of {len(value):,} layers that take at "
                f"least {needed:,} numbers, its {len(arrays):,} arrays hold {held:,}"
            )


def _check_shapes(shapes: Mapping[str, list[int]]) -> None:
    widest = max(
        (size for shape in shapes.values() if math.prod(shape) for size in shape), default=0
    )
    for name, shape in shapes.items():
        if not math.prod(shape) and max(shape) > max(widest, LEAST_WIDTH):
            raise ValueError(f"array {name!r} of {shape} holds no numbers that need such a shape")
