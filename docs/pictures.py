"""Draws the still pictures of the environments' page: `python docs/pictures.py`.

Each is the first state of seed 123. Those that move are made by `tools/gallery.py`.
"""

from pathlib import Path

import gymnasium
import minigrid  # noqa: F401  registers its environments
import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "images"
NAMES = ("SimpleCrossingS9N1", "LavaGapS7", "FourRooms")
SIDE = 240


def drawn(name: str) -> np.ndarray:
    """A MiniGrid environment from above, without the agent's field of view."""
    environment = gymnasium.make(f"MiniGrid-{name}-v0", render_mode="rgb_array", highlight=False)
    environment.reset(seed=123)
    picture = environment.render()
    environment.close()
    return picture


def write(name: str, picture: np.ndarray) -> None:
    """A small PNG of few colours."""
    image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.quantize(64).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        write(name, drawn(name))
