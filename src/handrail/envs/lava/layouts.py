"""Which layouts an environment has: one for the whole run, or a pool drawn from at each reset."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.lava.source import EMPTY, GOAL, LavaLayout, LavaSource, open_source

# After this many seeds in a row without a new grid, the pool counts as exhausted: with the
# 42 equally likely grids of LavaCrossingS9N1 the chance to miss one is about 6e-6.
PATIENCE = 500


@dataclasses.dataclass(frozen=True)
class Fixed:
    """The layout that MiniGrid gives at `reset(seed=seed)`, for the whole run."""

    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """Distinct layouts found at the seeds `seed, seed + 1, …`; each reset draws one uniformly.

    `exclude` holds layouts that must not be in the pool: a seed (of the same environment), a
    pair (environment name, seed), or an array of grids such as `target.grids`. They are
    recognised by the equality of their grids. Where there are fewer distinct layouts than
    `size`, the pool has all that were found.
    """

    size: int
    seed: int = 1_000_000
    exclude: Sequence | np.ndarray = ()


LayoutChoice = Fixed | Pool


def fixed(seed: int) -> Fixed:
    """The layout of `reset(seed=seed)`."""
    return Fixed(seed)


def pool(size: int, seed: int = 1_000_000, exclude: Sequence | np.ndarray = ()) -> Pool:
    """A pool of `size` distinct layouts; see `Pool`."""
    return Pool(size, seed, exclude)


def draw(source: LavaSource, choice: LayoutChoice | int) -> list[LavaLayout]:
    """The layouts of a choice; a plain integer means `fixed(seed)`. Raises `HandrailError`."""
    if isinstance(choice, (int, np.integer)) and not isinstance(choice, bool):
        choice = Fixed(int(choice))
    if isinstance(choice, Fixed):
        return [source.layout(choice.seed)]
    if not isinstance(choice, Pool):
        raise HandrailError(
            f"layout is {choice!r}; expected a seed, fixed(seed) or pool(size, seed, exclude)"
        )
    if choice.size < 1:
        raise HandrailError(f"a pool of {choice.size} layouts is empty; ask for at least 1")
    return _search(source, choice)


def starting_anywhere(layout: LavaLayout) -> LavaLayout:
    """The same layout with every free cell from which a goal can be reached, in all directions.

    Crossings have rooms without a door, which an episode could never leave.
    """
    free = layout.kinds == EMPTY
    linked, before = layout.kinds == GOAL, None
    while before is None or (linked != before).any():
        before, around = linked, np.pad(linked, 1)
        beside = around[2:, 1:-1] | around[:-2, 1:-1] | around[1:-1, 2:] | around[1:-1, :-2]
        linked = linked | (beside & free)
    x, y = np.nonzero(linked & free)
    starts = [(i, j, d) for i, j in zip(x, y, strict=True) for d in range(4)]
    return dataclasses.replace(layout, starts=np.array(starts))


def _search(source: LavaSource, choice: Pool) -> list[LavaLayout]:
    held_out = {grid.tobytes() for grid in _grids(source, choice.exclude)}
    found: dict[bytes, LavaLayout] = {}
    seed, without_news = choice.seed, 0
    while len(found) < choice.size and without_news < PATIENCE:
        layout = source.layout(seed)
        grid = layout.kinds.tobytes()
        seed, without_news = seed + 1, without_news + 1
        if grid in held_out:
            continue
        if grid not in found:
            found[grid] = layout
            without_news = 0
        else:  # the same grid from another start: one layout with both starts
            starts = np.unique(np.concatenate([found[grid].starts, layout.starts]), axis=0)
            found[grid] = dataclasses.replace(found[grid], starts=starts)
    if not found:
        raise HandrailError(
            f"every layout of {source.name!r} that was found is excluded from the pool; "
            "exclude fewer layouts or take another environment"
        )
    return list(found.values())


def _grids(source: LavaSource, exclude: Sequence | np.ndarray) -> list[np.ndarray]:
    grids: list[np.ndarray] = []
    for entry in exclude:
        if isinstance(entry, (int, np.integer)):
            grids.append(source.layout(int(entry)).kinds)
        elif isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str):
            grids.append(open_source(entry[0]).layout(entry[1]).kinds)
        else:
            array = np.asarray(entry)
            if array.ndim not in (2, 3):
                raise HandrailError(
                    f"exclude holds {entry!r}; expected a seed, a pair (environment, seed) "
                    "or grids as in `environment.grids`"
                )
            grids.extend(array.reshape(-1, *array.shape[-2:]).astype(np.uint8))
    return [grid for grid in grids if grid.shape == (source.real.width, source.real.height)]
