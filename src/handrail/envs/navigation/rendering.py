"""Frames of the MuJoCo tasks, rendered by MuJoCo without a screen."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.mujoco import import_mujoco

_HAZARD = (0.22, 0.25, 0.9, 0.45)
_GOAL = (0.15, 0.7, 0.25, 0.55)
_HALF_HEIGHT = 0.005  # of the discs that stand for hazards and goal (m)


@runtime_checkable
class Rendered(Protocol):
    """What can be rendered: a model and its data of MuJoCo, and the scene they are in."""

    @property
    def model(self) -> Any:
        """`mujoco.MjModel`."""

    @property
    def data(self) -> Any:
        """`mujoco.MjData`."""

    def scene(self) -> Any:
        """A `handrail.envs.navigation.drawing.Scene`."""


class FrameRenderer:
    """Renders the present state of one environment; `close` frees the graphics context.

    Cameras: `above` (the whole square) and `behind` (follows the robot). Needs EGL, OSMesa or a
    screen; `handrail.envs.navigation.drawing.draw` needs none of them.
    """

    def __init__(self, env: Rendered, size: int = 480, camera: str = "above"):
        mujoco = import_mujoco()
        if camera not in ("above", "behind"):
            raise HandrailError(f"camera {camera!r}: expected 'above' or 'behind'")
        if not 16 <= size <= 1280:
            raise HandrailError(f"size {size} of a frame: expected 16 to 1280 pixels")
        self._env, self._camera, self._mujoco = env, camera, mujoco
        try:
            self._renderer = mujoco.Renderer(env.model, size, size)
        except Exception as error:  # which one depends on the graphics library
            raise HandrailError(
                "MuJoCo cannot render here: set the environment variable MUJOCO_GL to 'egl' or "
                "'osmesa' before Python starts and install that library, or draw the scene with "
                f"handrail.envs.navigation.drawing.draw, which needs neither ({error})"
            ) from error

    def __call__(self) -> np.ndarray:
        """A frame, uint8 (size, size, 3)."""
        scene = self._env.scene()
        self._renderer.update_scene(self._env.data, camera=self._camera)
        for x, y in scene.hazards:
            self._disc((x, y), scene.hazard_size, _HAZARD)
        if scene.goal is not None:
            self._disc(tuple(scene.goal), scene.goal_size, _GOAL)
        return self._renderer.render()

    def _disc(self, place: tuple[Any, ...], radius: float, colour: tuple[float, ...]) -> None:
        scene = self._renderer.scene
        if scene.ngeom >= scene.maxgeom:
            return
        self._mujoco.mjv_initGeom(
            scene.geoms[scene.ngeom],
            self._mujoco.mjtGeom.mjGEOM_CYLINDER,
            np.array([radius, _HALF_HEIGHT, 0.0]),
            np.array([*place, _HALF_HEIGHT]),
            np.eye(3).ravel(),
            np.array(colour, np.float32),
        )
        scene.ngeom += 1

    def close(self) -> None:
        self._renderer.close()
