"""Draws the pictures of the environments' page: `python docs/pictures.py`.

Each is the first state of seed 0 (lava: layout 123, the first that is reported on).
"""

from pathlib import Path

import gymnasium
import minigrid  # noqa: F401  registers its environments
import numpy as np
from PIL import Image

from handrail.envs.navigation.drawing import draw
from handrail.envs.navigation.mujoco_engine import MujocoNavigation
from handrail.envs.navigation.tasks import navigation_task

FOLDER = Path(__file__).parent / "images"
LAVA = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3", "SimpleCrossingS9N1",
        "LavaGapS7", "FourRooms")  # fmt: skip
NAVIGATION = ("navigation-static", "navigation-semi-dynamic", "navigation-dynamic")
SIDE = 240


def lava(name: str) -> np.ndarray:
    """A MiniGrid environment from above, without the agent's field of view."""
    environment = gymnasium.make(f"MiniGrid-{name}-v0", render_mode="rgb_array", highlight=False)
    environment.reset(seed=123)
    picture = environment.render()
    environment.close()
    return picture


def navigation(name: str) -> np.ndarray:
    """A target task from above."""
    environment = MujocoNavigation(navigation_task(name))
    environment.reset(seed=0)
    return draw(environment.scene(), SIDE)


def write(name: str, picture: np.ndarray) -> None:
    """A small PNG of few colours."""
    image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.quantize(64).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in LAVA:
        write(name, lava(name))
    for name in NAVIGATION:
        write(name, navigation(name))
