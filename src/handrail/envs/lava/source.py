"""Reading layouts from the real MiniGrid: the only module here that makes its environments.

MiniGrid and Gymnasium are imported inside functions, so that importing handrail stays fast.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from handrail.core.errors import HandrailError, UnknownName

EMPTY, WALL, LAVA, GOAL = range(4)
_KINDS = {"empty": EMPTY, "floor": EMPTY, "wall": WALL, "lava": LAVA, "goal": GOAL}

# The environments of the MiniGrid package whose grids hold only what the tables know; a test
# compares this with what the package registers. Others are tried when asked for, and refused
# with the object that stands in the way.
NAMES = (
    "LavaCrossingS9N1",
    "LavaCrossingS9N2",
    "LavaCrossingS9N3",
    "LavaCrossingS11N5",
    "SimpleCrossingS9N1",
    "SimpleCrossingS9N2",
    "SimpleCrossingS9N3",
    "SimpleCrossingS11N5",
    "LavaGapS5",
    "LavaGapS6",
    "LavaGapS7",
    "DistShift1",
    "DistShift2",
    "Empty-5x5",
    "Empty-6x6",
    "Empty-8x8",
    "Empty-16x16",
    "Empty-Random-5x5",
    "Empty-Random-6x6",
    "FourRooms",
)


@dataclasses.dataclass(frozen=True, eq=False)
class LavaLayout:
    """One grid and the poses from which its episodes start."""

    seed: int  # of the reset that gave this grid
    encoding: UInt8[np.ndarray, "width height 3"]  # MiniGrid's own (object, colour, state)
    kinds: UInt8[np.ndarray, "width height"]  # EMPTY, WALL, LAVA or GOAL; indexed [x, y]
    starts: Int[np.ndarray, "starts 3"]  # (x, y, direction)


@dataclasses.dataclass(frozen=True, eq=False)
class LavaSource:
    """A real MiniGrid environment, opened to read its layouts and constants."""

    name: str  # the short name
    real: Any  # minigrid.minigrid_env.MiniGridEnv, without wrappers

    def layout(self, seed: int) -> LavaLayout:
        """The layout and start pose of `reset(seed=seed)`. `HandrailError` if not supported."""
        self.real.reset(seed=int(seed))
        encoding = self.real.grid.encode()
        start = [(*map(int, self.real.agent_pos), int(self.real.agent_dir))]
        return LavaLayout(int(seed), encoding, _kinds(self.name, encoding), np.array(start))


def open_source(name: str) -> LavaSource:
    """Opens `LavaCrossingS9N1`, or the full id `MiniGrid-LavaCrossingS9N1-v0`.

    Any registered environment derived from MiniGrid's base class is accepted here, as long as
    it keeps MiniGrid's own rules for steps and rewards; what its grids hold is checked when a
    layout is read. Raises `UnknownName`, or `HandrailError` with the reason.
    """
    import gymnasium
    import minigrid  # noqa: F401  (registers the environments)
    from minigrid.minigrid_env import MiniGridEnv

    full = [known for known in (name, f"MiniGrid-{name}-v0") if known in gymnasium.registry]
    if not full:
        raise UnknownName("environment", name, NAMES)
    try:
        real = gymnasium.make(full[0], disable_env_checker=True).unwrapped
    except Exception as error:
        raise HandrailError(f"environment {name!r} could not be made: {error}") from error
    if not isinstance(real, MiniGridEnv):
        raise HandrailError(f"environment {name!r} is not a MiniGrid; known are {', '.join(NAMES)}")
    short = full[0].removeprefix("MiniGrid-").removesuffix("-v0")
    source = LavaSource(short, real)
    source.layout(0)  # an object that the tables do not know is the most telling reason: first
    for rule in ("step", "_reward"):
        if getattr(type(real), rule) is not getattr(MiniGridEnv, rule):
            raise HandrailError(
                f"environment {short!r} defines its own `{rule}`, so MiniGrid's usual rules do not "
                f"describe it; supported are {', '.join(NAMES)}"
            )
    return source


def _kinds(name: str, encoding: np.ndarray) -> np.ndarray:
    from minigrid.core.constants import IDX_TO_OBJECT

    kinds = np.zeros(encoding.shape[:2], np.uint8)
    for index in np.unique(encoding[..., 0]):
        thing = IDX_TO_OBJECT[int(index)]
        if thing not in _KINDS:
            raise HandrailError(
                f"environment {name!r} has a {thing} in its grid; only walls, lava, floor and "
                f"goals can be compiled into tables. Supported are {', '.join(NAMES)}"
            )
        kinds[encoding[..., 0] == index] = _KINDS[thing]
    border = np.concatenate([kinds[0], kinds[-1], kinds[:, 0], kinds[:, -1]])
    if (border == EMPTY).any():
        raise HandrailError(f"environment {name!r} has an open border; close it with walls")
    return kinds
