"""Recorded grid episodes for the player: what the agent wanted, what was done, and why.

An episode is plain data (it survives JSON):

- `title`: text; `outcome`: text such as "goal", "lava", "time limit" (both optional);
- `grid`: one string a row, `#` wall, `.` floor, `L` lava, `G` goal;
- `steps`: for each step `x`, `y`, `dir` *before* the action (0 right, 1 down, 2 left, 3 up, as in
  MiniGrid), `proposed` and `action` by name, `intervened`, `reason` (text), `reward`, `cost`, and
  optionally `evidence`: names to numbers, such as the distance to the unsafe embeddings;
- `final`: `x`, `y`, `dir` after the last action (optional).
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from handrail.core.errors import HandrailError

Episode = Mapping[str, Any]

CELLS = "#.LG"
STEP = ("x", "y", "dir", "proposed", "action", "intervened", "reason", "reward", "cost")


def as_json(episodes: Sequence[Episode]) -> str:
    """The episodes as JSON that is safe inside a script element; refuses malformed ones."""
    if not episodes:
        raise HandrailError("the player needs at least one episode")
    for number, episode in enumerate(episodes):
        _check(episode, f"episode {number + 1}")
    text = json.dumps(_plain(episodes), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    # Nothing inside may end the script element or begin a comment or an entity; the two
    # separators are line ends to JavaScript.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


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


def _plain(value: Any) -> Any:
    """NumPy and JAX scalars as Python's; JSON has no NaN and no infinities, so they become null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    return float(value) if math.isfinite(value) else None
