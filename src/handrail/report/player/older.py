"""Grid episodes of older versions (`episode.json`): a mapping a step, read as recorded episodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.interventions.base import Threshold
from handrail.train.rollout.recorded import RecordedEpisode

CELLS = "#.LG"
AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))  # of each direction, x and y
STEP = ("x", "y", "dir", "proposed", "action", "intervened", "reward", "cost")


def from_grid(
    episode: Mapping[str, Any], where: str, *, threshold: float | None = None
) -> RecordedEpisode:
    """The episode; raises `HandrailError` for a malformed one.

    It has `title`, `grid` (a string a row), `steps` (with `x`, `y`, `dir` before the action, and
    the rest of `STEP`, and `evidence`) and `final`, the place after the last action. `threshold` is
    what `prior_advantage` was compared with, if that is known.
    """
    grid, steps = episode.get("grid"), episode.get("steps")
    if not grid or not steps:
        raise HandrailError(f"{where}: expected a grid and steps that are not empty")
    if len({len(row) for row in grid}) != 1 or not set("".join(grid)) <= set(CELLS):
        raise HandrailError(f"{where}: grid rows must be equally long and made of {CELLS!r}")
    for number, step in enumerate(steps):
        missing = [name for name in STEP if name not in step]
        if missing:
            raise HandrailError(f"{where}, step {number + 1}: missing {', '.join(missing)}")
        _check_pose(step, grid, f"{where}, step {number + 1}")
    final = episode.get("final") or steps[-1]
    _check_pose(final, grid, f"{where}, final")
    names = list(dict.fromkeys(str(step[key]) for step in steps for key in ("proposed", "action")))
    evidences = [step.get("evidence", {}) for step in steps]
    first = evidences[0]
    evidence = {
        f"evidence/{name}": np.array(
            [_number(step.get("evidence", {}).get(name)) for step in steps]
        )
        for name in first
    }
    known = (
        Threshold("distance", "radius" if "radius" in first else "", "below"),
        Threshold("prior_advantage", "" if threshold is None else threshold, "below"),
    )
    return RecordedEpisode(
        kind="lava",
        environment="",
        method=str(episode.get("title", "")),
        seed=0,
        number=0,
        shielded=any(step["intervened"] for step in steps),
        columns={
            **{
                name: np.array([_number(step[name]) for step in steps])
                for name in ("reward", "cost", "intervened")
            },
            **{
                name: np.array([names.index(str(step[name])) for step in steps])
                for name in ("proposed", "action")
            },
            **evidence,
            "harm": np.array([_into_lava(grid, step) for step in steps]),
            "state/robot": np.array(
                [[pose["x"], pose["y"], pose["dir"]] for pose in (*steps, final)], float
            ),
        },
        scene={"grid": list(grid)},
        thresholds=tuple(
            compared for compared in known if compared.quantity in first and compared.value != ""
        ),
        actions=tuple(names),
        acts="a random action that the prior rates higher",
        outcome=str(episode.get("outcome", "")),
    )


def _into_lava(grid: Sequence[str], step: Mapping[str, Any]) -> bool:
    """Whether the proposed action ends in lava: a step forward alone can."""
    if step["proposed"] != "forward":
        return False
    right, down = AHEAD[step["dir"]]
    column, row = step["x"] + right, step["y"] + down
    return 0 <= row < len(grid) and 0 <= column < len(grid[0]) and grid[row][column] == "L"


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _check_pose(pose: Mapping[str, Any], grid: Sequence[str], where: str) -> None:
    x, y, direction = pose["x"], pose["y"], pose["dir"]
    inside = 0 <= x < len(grid[0]) and 0 <= y < len(grid)
    if not inside or direction not in (0, 1, 2, 3):
        raise HandrailError(
            f"{where}: x={x}, y={y}, dir={direction}; expected a cell of the "
            f"{len(grid[0])} × {len(grid)} grid and a direction from 0 to 3"
        )
