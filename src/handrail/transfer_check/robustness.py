"""How safe is what has been learnt in worlds that differ from the one it was learnt in?"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.equations.budget import LIMIT_STEPS
from handrail.train.rollout.base import Episodes

SINGLE = (
    *(Changes(gain=factor) for factor in (0.5, 0.75, 1.25, 1.5)),
    *(Changes(noise=share) for share in (0.05, 0.1, 0.2, 0.4)),
    *(Changes(delay=steps) for steps in (1, 2, 4, 8)),
    *(Changes(disturbance=share) for share in (0.1, 0.2, 0.4)),
)
"""Worlds in which one thing beside mass and damping is changed."""
LONGEST_DELAY = max(world.delay for world in SINGLE)
EDGES = 0.5, 1.5
"""The least and the greatest factor of mass and damping (the follow-up of arXiv:2307.14316)."""
Drive = Callable[[Any], Episodes]
"""`drive(environment)`: whole episodes of somebody in it, the same start for all worlds."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Episodes in one world."""

    cost: float
    """Undiscounted, per `LIMIT_STEPS` steps, like a limit."""
    above: float
    """Share of the episodes that cost more than the limit allows in the longest one's steps."""

    @staticmethod
    def of(done: Episodes, limit: float) -> "Outcome":
        """What these episodes are, at a limit per `LIMIT_STEPS` steps."""
        above = done.above(limit, LIMIT_STEPS) / len(done.costs)
        return Outcome(done.cost_in(LIMIT_STEPS), above)


@dataclasses.dataclass(frozen=True)
class Robustness:
    """Outcomes of one who drives, world by world."""

    worlds: tuple[Changes, ...]
    outcomes: tuple[Outcome, ...]
    limit: float
    """Of the cost of `LIMIT_STEPS` steps."""
    side: int
    """Worlds along a side of the grid of mass and damping."""

    def outcome(self, changes: Changes) -> Outcome:
        """In one of the worlds."""
        return self.outcomes[self.worlds.index(changes)]

    def grid(self, quantity: str) -> np.ndarray:
        """A quantity of the outcomes over `axis_of(side)`: mass by rows, damping by columns."""
        factors = axis_of(self.side)
        return np.array(
            [
                [getattr(self.outcome(Changes(mass=m, damping=d)), quantity) for d in factors]
                for m in factors
            ]
        )


def mean_robustness(several: Sequence[Robustness]) -> Robustness:
    """The means over several, such as seeds, that were measured in the same worlds."""
    first = several[0]
    outcomes = tuple(
        Outcome(
            float(np.mean([outcome.cost for outcome in own])),
            float(np.mean([outcome.above for outcome in own])),
        )
        for own in zip(*(one.outcomes for one in several), strict=True)
    )
    return dataclasses.replace(first, outcomes=outcomes)


def axis_of(side: int) -> tuple[float, ...]:
    """Factors of mass and of damping in a grid."""
    return tuple(round(float(factor), 4) for factor in np.linspace(*EDGES, side))


def worlds_of(side: int) -> tuple[Changes, ...]:
    """The nominal world, `side` × `side` of mass and damping, and those of `SINGLE`."""
    factors = axis_of(side)
    grid = [Changes(mass=m, damping=d) for m, d in itertools.product(factors, factors)]
    return tuple(dict.fromkeys([NOTHING_CHANGED, *grid, *SINGLE]))


def measure_robustness(
    build: Callable[[Changes], Any],
    drives: Mapping[str, Drive],
    *,
    side: int,
    limit: float,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Robustness]:
    """Everybody who drives, by name, in all of `worlds_of(side)`, which `build` makes."""
    worlds = worlds_of(side)
    found: dict[str, list[Outcome]] = {name: [] for name in drives}
    for number, changes in enumerate(worlds, 1):
        environment = build(changes)
        for name, drive in drives.items():
            found[name].append(Outcome.of(drive(environment), limit))
        report(number, len(worlds))
    return {name: Robustness(worlds, tuple(own), limit, side) for name, own in found.items()}
