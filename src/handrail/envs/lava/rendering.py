"""Pictures of poses, put together from tiles that MiniGrid itself draws.

The result equals MiniGrid's own rendering of the whole grid with the agent's field of view
highlighted (a test compares frames), but is computed for many poses at once.
"""

import functools

import numpy as np
from jaxtyping import Bool, Int, UInt8

from handrail.core.errors import HandrailError
from handrail.envs.lava.looks import OWN, LavaLook
from handrail.envs.lava.source import WALL
from handrail.envs.lava.tables import STEPS


def render(
    encoding: UInt8[np.ndarray, "width height 3"],
    kinds: UInt8[np.ndarray, "width height"],
    poses: Int[np.ndarray, "frames 3"],
    *,
    view_size: int = 7,
    see_through_walls: bool = False,
    look: LavaLook = OWN,
) -> UInt8[np.ndarray, "frames rows columns 3"]:
    """One picture per pose (x, y, direction), `look.tile` pixels per cell, rows from the top.

    A look leaves MiniGrid's own tiles alone.
    """
    width, height = kinds.shape
    tile = look.tile
    poses = np.asarray(poses)
    lit = visible_cells(kinds, poses, view_size, see_through_walls)
    codes, which = np.unique(encoding.reshape(-1, 3), axis=0, return_inverse=True)
    drawn = np.stack([_tiles(tuple(map(int, code)), look) for code in codes])
    agent = np.zeros((len(poses), width, height), np.intp)
    agent[np.arange(len(poses)), poses[:, 0], poses[:, 1]] = 1 + poses[:, 2]
    chosen = drawn[which.reshape(width, height), agent, lit.astype(np.intp)]
    return chosen.transpose(0, 2, 3, 1, 4, 5).reshape(-1, height * tile, width * tile, 3)


def visible_cells(
    kinds: UInt8[np.ndarray, "width height"],
    poses: Int[np.ndarray, "frames 3"],
    view_size: int,
    see_through_walls: bool,
) -> Bool[np.ndarray, "frames width height"]:
    """The cells in each pose's field of view, by MiniGrid's rule for what walls hide.

    Light spreads from the agent's cell sideways and ahead, row by row of the view, through
    every cell that is not a wall; cells outside the grid count as walls.
    """
    width, height = kinds.shape
    x, y, direction = (column[:, None, None] for column in np.asarray(poses).T)
    fx, fy = STEPS[direction, 0], STEPS[direction, 1]
    ahead = view_size - 1 - np.arange(view_size)[None, :]
    right = np.arange(view_size)[:, None] - view_size // 2
    at_x, at_y = x + ahead * fx - right * fy, y + ahead * fy + right * fx
    inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
    near_x, near_y = np.clip(at_x, 0, width - 1), np.clip(at_y, 0, height - 1)
    clear = inside & (kinds[near_x, near_y] != WALL)

    seen = np.full(clear.shape, see_through_walls)
    seen[:, view_size // 2, view_size - 1] = True
    for j in reversed(range(view_size)):
        sweeps = [(i, i + 1) for i in range(view_size - 1)]
        sweeps += [(i, i - 1) for i in reversed(range(1, view_size))]
        for i, beside in sweeps:
            passes = seen[:, i, j] & clear[:, i, j]
            seen[:, beside, j] |= passes
            if j > 0:
                seen[:, beside, j - 1] |= passes
                seen[:, i, j - 1] |= passes

    lit = np.zeros((len(poses), width, height), bool)
    frame = np.broadcast_to(np.arange(len(poses))[:, None, None], seen.shape)
    shown = seen & inside
    lit[frame[shown], at_x[shown], at_y[shown]] = True
    return lit


@functools.cache
def _tiles(code: tuple[int, int, int], look: LavaLook) -> np.ndarray:
    """Tiles of one object by (agent's direction + 1 or 0 for no agent, highlighted)."""
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import Lava, WorldObj

    class OwnTiles(Grid):
        tile_cache = {}  # noqa: RUF012  (MiniGrid's cache, apart from the global one)

    thing = WorldObj.decode(*code)
    if isinstance(thing, Lava) and (look.color, look.texture) != (None, OWN.texture):
        _repaint(thing, look)
    tiles = np.array(
        [
            [OwnTiles.render_tile(thing, agent, lit, look.tile) for lit in (False, True)]
            for agent in (None, 0, 1, 2, 3)
        ]
    ).astype(np.uint8)  # as when MiniGrid puts a tile into its byte image
    return tiles if look.brightness == 1 else (tiles * look.brightness).astype(np.uint8)


def _repaint(lava, look: LavaLook) -> None:
    draw = lava.render

    def render(image):
        draw(image)
        background = image[0, 0].copy()
        color = background if look.color is None else np.array(look.color, image.dtype)
        image[(image == background).all(axis=-1)] = color
        if look.texture == OWN.texture:
            return
        image[:] = color
        eighths = np.arange(len(image)) * 8 // len(image)  # MiniGrid draws tiles three times as big
        bands = eighths % 4 < 2
        if look.texture == "stripes":
            image[bands] = color // 3
        elif look.texture == "dots":
            image[bands[:, None] & bands[None, :]] = color // 3

    lava.render = render


def rgb(color: str | tuple[int, int, int]) -> tuple[int, int, int]:
    """A MiniGrid colour name or a triple of bytes as bytes. `HandrailError` for another."""
    from minigrid.core.constants import COLORS

    named = COLORS.get(color) if isinstance(color, str) else color
    triple = np.empty(0) if named is None else np.asarray(named)
    if triple.shape != (3,) or not ((triple >= 0) & (triple <= 255)).all():
        raise HandrailError(
            f"lava_color is {color!r}; expected one of {', '.join(sorted(COLORS))}, "
            "or three numbers from 0 to 255"
        )
    red, green, blue = map(int, triple)
    return red, green, blue
