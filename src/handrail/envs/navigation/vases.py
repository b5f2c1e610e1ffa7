"""Vases on MuJoCo: where they are, and their sleep.

Four boxes on the floor are most of what there is to solve in the car's tasks, and they stand still
nearly always. MuJoCo can leave out what rests until something touches it. The robot, which has
motors, never sleeps.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Int

from handrail.envs.navigation.layouts import Point

REST = 1e-5  # speeds (m/s, or the same at a body's edge) below which a vase may fall asleep
"""A tenth of the speed that costs: with MuJoCo's own tolerance of 1e-3 a sliding vase would be
stopped, and its cost with it."""


def let_rest(mujoco: Any, model: Any) -> None:
    """Lets a model's vases sleep; does nothing on a MuJoCo that does not know how to (3.3)."""
    flag = getattr(mujoco.mjtEnableBit, "mjENBL_SLEEP", None)
    if flag is not None:
        model.opt.enableflags |= flag
        model.opt.sleep_tolerance = REST


def sleepers(data: Any) -> Int[np.ndarray, " trees"]:
    """Who sleeps, and how long the others have been still; empty on a MuJoCo without sleep."""
    return np.array(getattr(data, "tree_asleep", ()), np.int64)


def put_to_sleep(data: Any, asleep: Int[np.ndarray, " trees"]) -> bool:
    """Goes back to what `sleepers` said; gives whether anyone sleeps.

    If so `mj_forward` must follow. Another must have gone before, so that their places are
    known, and their velocities be 0.
    """
    if not asleep.size:
        return False
    data.tree_asleep[:] = asleep
    if not np.any(asleep >= 0):
        return False
    data.tree_awake[:] = asleep < 0
    # MuJoCo looks through who sleeps only after waking someone: it is made to wake the robot,
    # the first tree, whose count of still steps is at its start at all times.
    data.tree_asleep[0] = 0
    return True


class Vase:
    """Where one vase is in the simulator's arrays."""

    def __init__(self, model: Any, data: Any, body: int):
        joint = model.body_jntadr[body]
        self.qpos_at, velocity_at = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        self._place, self._matrix = data.xpos[body], data.xmat[body]
        self._velocity = data.qvel[velocity_at : velocity_at + 3]

    def place(self) -> Point:
        """Its centre (m)."""
        x, y, _ = self._place.tolist()
        return x, y

    def heading(self) -> float:
        """How far it is turned (rad)."""
        return math.atan2(self._matrix[3], self._matrix[0])

    def speed(self) -> float:
        """How fast its centre moves (m/s), in three dimensions."""
        x, y, z = self._velocity.tolist()
        return math.sqrt(x * x + y * y + z * z)
