"""The dynamics of MiniGrid layouts as tables over (layout, cell, direction).

MiniGrid's rules for grids that hold only walls, lava, floor and goals: `left` and `right`
turn, `forward` moves unless a wall is ahead, and the other four actions change nothing.
Tests compare every entry with the real environment.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from handrail.envs.lava.source import EMPTY, GOAL, LAVA, WALL, LavaLayout

LEFT, RIGHT, FORWARD = range(3)
ACTIONS = 7
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # by direction: right, down, left, up


class Tables(NamedTuple):
    """Rows: first every pose that can be acted on, then the poses on lava or on a goal.

    Rows of an ended episode lead to themselves and are neither goal nor lava entries.
    """

    layout: Int[np.ndarray, " rows"]
    pose: Int[np.ndarray, "rows 3"]  # (x, y, direction)
    live: int
    successor: Int[np.ndarray, "rows actions"]
    enters_goal: Bool[np.ndarray, "rows actions"]
    enters_lava: Bool[np.ndarray, "rows actions"]
    starts: list[np.ndarray]  # rows, by layout


def compile_tables(layouts: list[LavaLayout]) -> Tables:
    """The tables of several layouts, with rows numbered through."""
    alive = [_free_poses(layout.kinds) for layout in layouts]
    ended = [_end_poses(layout.kinds, poses) for layout, poses in zip(layouts, alive, strict=True)]
    live = sum(map(len, alive))
    pose = np.concatenate([*alive, *ended])
    owner = np.concatenate(
        [np.full(len(poses), i) for group in (alive, ended) for i, poses in enumerate(group)]
    )
    shape = (len(layouts), *layouts[0].kinds.shape, 4)
    row_of = np.full(shape, -1)
    row_of[owner, pose[:, 0], pose[:, 1], pose[:, 2]] = np.arange(len(pose))
    kinds = np.stack([layout.kinds for layout in layouts])

    where = owner[:live]
    x, y, d = pose[:live].T
    ahead_x, ahead_y = x + STEPS[d, 0], y + STEPS[d, 1]
    ahead = kinds[where, ahead_x, ahead_y]
    rows = np.arange(len(pose))
    successor = np.repeat(rows[:, None], ACTIONS, axis=1)
    successor[:live, LEFT] = row_of[where, x, y, (d - 1) % 4]
    successor[:live, RIGHT] = row_of[where, x, y, (d + 1) % 4]
    moved = row_of[where, ahead_x, ahead_y, d]
    successor[:live, FORWARD] = np.where(ahead == WALL, rows[:live], moved)
    enters_goal, enters_lava = np.zeros((2, len(pose), ACTIONS), bool)
    enters_goal[:live, FORWARD] = ahead == GOAL
    enters_lava[:live, FORWARD] = ahead == LAVA
    starts = [row_of[i][tuple(layout.starts.T)] for i, layout in enumerate(layouts)]
    return Tables(owner, pose, live, successor, enters_goal, enters_lava, starts)


def _free_poses(kinds: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(kinds.T == EMPTY)
    cells = np.stack([x, y], axis=1)
    directions = np.tile(np.arange(4), len(cells))[:, None]
    return np.concatenate([np.repeat(cells, 4, axis=0), directions], axis=1)


def _end_poses(kinds: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Only the poses in which an episode can end: one step ahead of a free pose."""
    ahead = poses.copy()
    ahead[:, :2] += STEPS[poses[:, 2]]
    reached = np.isin(kinds[ahead[:, 0], ahead[:, 1]], (LAVA, GOAL))
    return np.unique(ahead[reached], axis=0).reshape(-1, 3)
