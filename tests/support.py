"""Recorded numbers for the tests: the complete oracle if it is there, a subset that always is."""

import functools
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT.parent / "shared" / "oracle"
DATA = ROOT / "tests" / "data"


@functools.cache
def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def oracle(name: str) -> dict[str, np.ndarray]:
    """The arrays of a recording, such as `oracle("algorithms/a1_undesirability")`.

    Skips the test where the recordings are missing, as in a user's clone.
    """
    path = ORACLE / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"the recording {name} lies beside the repository and is not here")
    return _load(path)


def data(name: str) -> dict[str, np.ndarray]:
    """The arrays of `tests/data/<name>.npz`, which belong to the repository."""
    return _load(DATA / f"{name}.npz")


def part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names start with `prefix/`, without it."""
    return {
        key.removeprefix(f"{prefix}/"): array
        for key, array in arrays.items()
        if key.startswith(f"{prefix}/")
    }


SOURCES = ("subset", "complete")


def contrastive(name: str, source: str) -> dict[str, np.ndarray]:
    """A recording `a1_…` to `a6_…` of the contrastive method, whole or as the subset kept here."""
    if source == "complete":
        return oracle(f"algorithms/{name}")
    return part(data("contrastive"), name)
