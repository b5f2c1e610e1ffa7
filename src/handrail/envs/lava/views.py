"""Observations made of numbers: the symbolic frame, and the same seen from the agent.

Both are pure functions, so tables of either view have the same rows.
"""

import jax
import numpy as np
from jaxtyping import Int, UInt8

from handrail.core.errors import HandrailError
from handrail.envs.lava.source import GOAL, LAVA, WALL
from handrail.envs.lava.tables import STEPS

SYMBOLIC_CHANNELS = (
    "wall",
    "lava",
    "goal",
    "agent facing right",
    "agent facing down",
    "agent facing left",
    "agent facing up",
)
EGOCENTRIC_CHANNELS = SYMBOLIC_CHANNELS[:3]
MOST_CELLS = 99
"""The largest window a side."""


def symbolic(
    kinds: UInt8[np.ndarray, "width height"], poses: Int[np.ndarray, "frames 3"]
) -> UInt8[np.ndarray, "frames numbers"]:
    """One frame per pose (x, y, direction), 0 or 1: shape (height, width, 7), flattened.

    The channels are `SYMBOLIC_CHANNELS`; an agent on lava or on a goal is seen with it.
    """
    width, height = kinds.shape
    frames = np.zeros((len(poses), height, width, 7), np.uint8)
    for channel, kind in enumerate((WALL, LAVA, GOAL)):
        frames[..., channel] = kinds.T == kind
    x, y, direction = np.asarray(poses).T
    frames[np.arange(len(poses)), y, x, 3 + direction] = 1
    return frames.reshape(len(poses), -1)


def egocentric_side(width: int, height: int, window: int | None = None) -> int:
    """The side of the egocentric window: the given one, which is odd, or as many cells as it takes
    for the whole grid to fit in wherever the agent stands.
    """
    if window is not None and (not 3 <= window <= MOST_CELLS or window % 2 == 0):
        raise HandrailError(
            f"window is {window}: expected an odd number of cells from 3 to {MOST_CELLS}, such as "
            "7, since the agent stands in the middle"
        )
    return 2 * max(width, height) - 1 if window is None else window


def egocentric(
    symbolic_frames: UInt8[jax.Array | np.ndarray, "frames numbers"],
    width: int,
    height: int,
    window: int | None = None,
) -> UInt8[jax.Array | np.ndarray, "frames window"]:
    """Symbolic frames in the agent's frame of reference: shape (side, side, 3), flattened.

    The agent is in the middle and looks up; the channels are `EGOCENTRIC_CHANNELS`, and
    whatever is outside the grid is wall. A `window` smaller than that cuts off what is far. The
    cell in front of the agent is thus always `[side // 2 - 1, side // 2]`. Works on NumPy and on
    JAX arrays, inside `jit` too.
    """
    xp = symbolic_frames.__array_namespace__()
    grids = symbolic_frames.reshape(-1, height, width, 7)
    agent = grids[..., 3:].reshape(len(grids), -1).argmax(1)
    cell, direction = agent // 4, agent % 4
    x, y = (cell % width)[:, None, None], (cell // width)[:, None, None]
    forward = xp.asarray(STEPS)[direction]
    fx, fy = forward[:, 0, None, None], forward[:, 1, None, None]

    side = egocentric_side(width, height, window)
    ahead = side // 2 - xp.arange(side)[None, :, None]
    right = xp.arange(side)[None, None, :] - side // 2
    at_x = x + ahead * fx - right * fy  # the agent's right is its forward turned by 90 degrees
    at_y = y + ahead * fy + right * fx
    inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
    here = xp.arange(len(grids))[:, None, None]
    seen = grids[here, xp.clip(at_y, 0, height - 1), xp.clip(at_x, 0, width - 1), :3]
    wall = xp.asarray(np.array([1, 0, 0], np.uint8))
    return xp.where(inside[..., None], seen, wall).reshape(len(grids), -1)
