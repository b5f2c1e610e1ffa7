"""How lava looks: its colour and texture, how bright a picture is, and how fine its tiles are."""

import dataclasses

import numpy as np

TILE = 8  # pixels, as in the published experiments

LavaColor = str | tuple[int, int, int] | None
TEXTURES = ("waves", "plain", "stripes", "dots")
TILES = (6, 8, 12, 16)
DIMMEST = 0.6
APART = 80.0  # Euclidean distance in RGB
OWN_EVERY = 4


@dataclasses.dataclass(frozen=True)
class LavaLook:
    """How a layout is painted; by default as MiniGrid paints it."""

    color: tuple[int, int, int] | None = None
    """Of the lava, in bytes; None is MiniGrid's orange."""
    texture: str = "waves"
    """One of `TEXTURES`; MiniGrid's has waves."""
    brightness: float = 1.0
    """What all bytes of the picture are multiplied by."""
    tile: int = TILE
    """Pixels of a cell before the picture is resized."""


OWN = LavaLook()


def random_looks(count: int, seed: int) -> tuple[LavaLook, ...]:
    """One look for each of `count` layouts; every fourth is MiniGrid's own.

    The others have a colour drawn uniformly from those at least 80 away from `held_out_colors()`,
    a texture, a brightness from 0.6 to 1 and tiles of 6, 8, 12 or 16 pixels. The first looks do not
    depend on `count`.
    """
    generator = np.random.default_rng([seed, 0x1A7A])
    return tuple(OWN if i % OWN_EVERY == 0 else _drawn(generator) for i in range(count))


def held_out_colors() -> np.ndarray:
    """Colours that no random look comes near: those with a name in MiniGrid, which tests repaint
    the lava in and which its walls and goals have, and the black of its floor.
    """
    from minigrid.core.constants import COLORS

    return np.array([*(COLORS[name] for name in sorted(COLORS)), (0, 0, 0)])


def _drawn(generator: np.random.Generator) -> LavaLook:
    held_out = held_out_colors()
    while True:
        color = generator.integers(0, 256, 3)
        if np.linalg.norm(held_out - color, axis=1).min() >= APART:
            break
    red, green, blue = map(int, color)
    return LavaLook(
        color=(red, green, blue),
        texture=TEXTURES[generator.integers(len(TEXTURES))],
        brightness=float(generator.uniform(DIMMEST, 1.0)),
        tile=TILES[generator.integers(len(TILES))],
    )
