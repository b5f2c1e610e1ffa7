"""The numbers recorded from the original SaGui scripts: all of them, or the subset kept here."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
SUBSET = ROOT / "tests" / "data" / "sagui.npz"
ORACLE = ROOT.parent / "shared" / "oracle" / "algorithms"


@cache
def subset() -> dict[str, np.ndarray]:
    """A part of `b1_updates` and `b3_misc`, kept in the repository."""
    with np.load(SUBSET) as arrays:
        return {name: arrays[name] for name in arrays.files}


@cache
def whole(name: str) -> dict[str, np.ndarray]:
    """One whole recorded file; the test is skipped where it is not there."""
    path = ORACLE / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the recorded numbers {path.name} are not beside this repository")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}
