"""Recorded grid episodes for the player: what the agent wanted, what was done, and why.

An episode is plain data (it survives JSON):

- `title`: text; `outcome`: text such as "goal", "lava", "time limit" (both optional);
- `grid`: one string a row, `#` wall, `.` floor, `L` lava, `G` goal;
- `steps`: for each step `x`, `y`, `dir` *before* the action (0 right, 1 down, 2 left, 3 up, as in
  MiniGrid), `proposed` and `action` by name, `intervened`, `reason` (text), `reward`, `cost`, and
  optionally `evidence`: names to numbers, such as the distance to the unsafe embeddings;
- `final`: `x`, `y`, `dir` after the last action (optional).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handrail.core.errors import HandrailError
from handrail.report.script_data import script_data

Episode = Mapping[str, Any]

CELLS = "#.LG"
AHEAD = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}  # of each direction, x and y
STEP = ("x", "y", "dir", "proposed", "action", "intervened", "reason", "reward", "cost")


def as_json(episodes: Sequence[Episode]) -> str:
    """The episodes as JSON that is safe inside a script element; refuses malformed ones."""
    if not episodes:
        raise HandrailError("the player needs at least one episode")
    for number, episode in enumerate(episodes):
        _check(episode, f"episode {number + 1}")
    return script_data(episodes)


def _check(episode: Episode, where: str) -> None:
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
    if episode.get("final"):
        _check_pose(episode["final"], grid, f"{where}, final")


def _check_pose(pose: Mapping[str, Any], grid: Sequence[str], where: str) -> None:
    x, y, direction = pose["x"], pose["y"], pose["dir"]
    if not (0 <= x < len(grid[0]) and 0 <= y < len(grid) and direction in (0, 1, 2, 3)):
        raise HandrailError(f"{where}: x={x}, y={y}, dir={direction} is outside the grid")


def judged(episode: Episode, threshold: float | None = None) -> Episode:
    """The episode with a word on every intervention: was it needed? Its reason names `threshold`.

    It was needed if the proposed action leads into lava, which the grid knows. `threshold` is what
    `prior_advantage` was compared with; what is no episode is returned as it is.
    """
    grid, steps = episode.get("grid"), episode.get("steps")
    if not isinstance(grid, Sequence) or not isinstance(steps, Sequence):
        return episode
    return {**episode, "steps": [_judged(grid, step, threshold) for step in steps]}


def _judged(grid: Sequence[str], step: Any, threshold: float | None) -> Any:
    if not isinstance(step, Mapping):
        return step
    evidence = dict(step.get("evidence") or {})
    if threshold is not None and "prior_advantage" in evidence:
        evidence["prior_threshold"] = threshold
    if not step.get("intervened"):
        return {**step, "evidence": evidence}
    needed = _into_lava(grid, step)
    told = "Needed: it leads into lava." if needed else "Needless: it does not lead into lava."
    reason = str(step.get("reason") or "").rstrip(".")
    if "prior_threshold" in evidence:
        reason += f" (it acts below {threshold:g})"
    return {**step, "evidence": evidence, "needed": needed, "reason": f"{reason}. {told}"}


def _into_lava(grid: Sequence[str], step: Mapping[str, Any]) -> bool:
    """Whether the proposed action of a step ends in lava: a step forward alone can."""
    x, y, direction = (step.get(name) for name in ("x", "y", "dir"))
    if step.get("proposed") != "forward" or direction not in AHEAD:
        return False
    if not isinstance(x, int) or not isinstance(y, int):
        return False
    column, row = x + AHEAD[direction][0], y + AHEAD[direction][1]
    inside = 0 <= row < len(grid) and 0 <= column < len(grid[row])
    return inside and grid[row][column] == "L"
