"""MuJoCo, imported where it is needed and not before."""

import ctypes.util
import os
import sys
from typing import Any

from handrail.core.errors import HandrailError


def import_mujoco() -> Any:
    """The package `mujoco`, or an error that says how to get it."""
    if "mujoco" not in sys.modules and sys.platform == "linux" and not os.environ.get("DISPLAY"):
        # MuJoCo chooses how to render when it is imported; without a screen only EGL works.
        if ctypes.util.find_library("EGL"):
            os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco
    except ImportError as error:
        raise HandrailError(
            "tasks on MuJoCo need the package 'mujoco': install it, or use a navigation task "
            "without vases on compiled physics (handrail.envs.navigation.CompiledNavigation)"
        ) from error
    return mujoco
