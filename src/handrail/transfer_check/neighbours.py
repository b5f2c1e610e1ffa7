"""Do states that look alike cost alike? Nearest neighbours among the views of visited states.

A view Ξ is a Q^c-irrelevance abstraction (arXiv:2307.14316) if states with one image have one
expected cost. Here pairs of states with nearly one image, of different episodes, are compared
by the cost of being there and by the discounted cost that followed. Pure NumPy.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from handrail.core.errors import HandrailError

QUERIES = 1000  # states of each kind that look for a neighbour
REFERENCES = 5000  # states of each kind among which they look
AVERAGED = 10  # neighbours over which a cost-to-go, a noisy number, is averaged
_CHUNK = 500
_FLAT = 1e-6  # coordinates that vary less are constants (such as gravity)


@dataclasses.dataclass(frozen=True)
class PerEpisode:
    """A ratio of sums, kept by episode, since states of one episode are not independent."""

    sums: np.ndarray
    counts: np.ndarray

    @staticmethod
    def of_steps(values: np.ndarray, counted: Bool[np.ndarray, "episodes steps"]) -> "PerEpisode":
        """The mean of a value over the steps that are counted."""
        sums = np.where(counted, values, 0).sum(axis=1, dtype=np.float64)
        return PerEpisode(sums, counted.sum(axis=1))

    @property
    def mean(self) -> float:
        """The sum over all episodes by the count over all; NaN without any."""
        count = self.counts.sum()
        return float(self.sums.sum() / count) if count else float("nan")


@dataclasses.dataclass(frozen=True)
class Visited:
    """States of one task, a row each."""

    views: Float[np.ndarray, "states view"]
    values: Float[np.ndarray, " states"]  # what is compared
    episodes: Int[np.ndarray, " states"]
    count: int  # of episodes

    def __getitem__(self, rows: Int[np.ndarray, " chosen"]) -> "Visited":
        return Visited(self.views[rows], self.values[rows], self.episodes[rows], self.count)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Where each query found its neighbour: only pairs within the radius count as alike."""

    missed: PerEpisode  # of costly queries, those whose neighbour costs nothing
    alarms: PerEpisode  # of the others, those whose neighbour costs


@dataclasses.dataclass(frozen=True)
class Gaps:
    """Discounted cost of the queries minus that of their neighbours' mean, of alike states."""

    gap: PerEpisode
    beyond: PerEpisode  # share of the queries where it exceeds the tolerance, up or down
    unfamiliar: PerEpisode  # of all queries, those without neighbours within the radius
    worst: float  # the largest gap, up or down; NaN without pairs


def spread(views: Float[np.ndarray, "states view"]) -> Float[np.ndarray, " view"]:
    """The unit of every coordinate: its deviation, or infinity if it is constant."""
    deviation = views.std(axis=0, dtype=np.float64)
    return np.where(deviation > _FLAT, deviation, np.inf)


def nearest(
    queries: Visited,
    references: Visited,
    unit: Float[np.ndarray, " view"],
    *,
    neighbours: int,
    same_task: bool,
) -> tuple[Int[np.ndarray, "queries k"], Float[np.ndarray, " queries"]]:
    """Rows of the nearest references, in no order, and the mean distance to them.

    The distance is the root of the mean square over the coordinates, in their units. With
    `same_task`, references of a query's own episode do not count: they are its yesterday.
    """
    if not len(references.views):
        raise HandrailError("no state was visited that others could be compared with")
    size = max(int(np.isfinite(unit).sum()), 1)
    known = (references.views / unit).astype(np.float32)
    lengths = (known**2).sum(axis=1)
    rows, distances = [np.zeros((0, min(neighbours, len(known))), int)], [np.zeros(0)]
    for begin in range(0, len(queries.views), _CHUNK):
        part = (queries.views[begin : begin + _CHUNK] / unit).astype(np.float32)
        squares = (part**2).sum(axis=1)[:, None] + lengths[None] - 2 * part @ known.T
        if same_task:
            own = queries.episodes[begin : begin + _CHUNK, None] == references.episodes[None]
            squares[own] = np.inf
        if neighbours < squares.shape[1]:
            found = np.argpartition(squares, neighbours - 1, axis=1)[:, :neighbours]
        else:
            found = np.tile(np.arange(squares.shape[1]), (len(part), 1))
        picked = np.maximum(np.take_along_axis(squares, found, axis=1), 0)
        rows.append(found)
        distances.append(np.sqrt(picked / size).mean(axis=1))
    return np.concatenate(rows), np.concatenate(distances)


def balanced(states: Visited, per_kind: int, rng: np.random.Generator) -> Visited:
    """At most so many states of value 0 and as many of higher value, drawn without repetition.

    Costly states are rare; unbalanced, their neighbours are free by chance alone.
    """
    costly = states.values > 0
    kinds = [rng.permutation(np.flatnonzero(kind))[:per_kind] for kind in (costly, ~costly)]
    return states[np.concatenate(kinds)]


def drawn(states: Visited, count: int, rng: np.random.Generator) -> Visited:
    """At most `count` states, drawn without repetition."""
    return states[rng.permutation(len(states.values))[:count]]


def only(unit: Float[np.ndarray, " view"], parts: list[slice]) -> Float[np.ndarray, " view"]:
    """The units with which only some parts of a view count."""
    narrow = np.full_like(unit, np.inf)
    for part in parts:
        narrow[part] = unit[part]
    return narrow


def telling_parts(
    queries: Visited, references: Visited, unit: np.ndarray, parts: dict[str, slice]
) -> tuple[str, ...]:
    """The named parts of a view by which its own task tells costly states from others.

    Chosen one after the other, as long as one more part lowers the share of queries whose
    nearest neighbour costs differently by over a hundredth. Other parts would only blur which
    states are alike: a robot's spin says nothing of the hazard that it is in.
    """
    costly = queries.values > 0

    def error(names: tuple[str, ...]) -> float:
        narrow = only(unit, [parts[name] for name in names])
        rows, _ = nearest(queries, references, narrow, neighbours=1, same_task=True)
        wrong = (references.values[rows[:, 0]] > 0) != costly
        return sum(float(wrong[kind].mean()) for kind in (costly, ~costly) if kind.any())

    chosen: tuple[str, ...] = ()
    best = np.inf
    while len(chosen) < len(parts):
        tried = {name: error((*chosen, name)) for name in parts if name not in chosen}
        name = min(tried, key=lambda name: tried[name])
        if tried[name] > best - 0.01:
            break
        chosen, best = (*chosen, name), tried[name]
    return chosen


def compare_costs(
    queries: Visited,
    references: Visited,
    unit: np.ndarray,
    *,
    radius: float | None,
    same_task: bool,
) -> tuple[Pairs, float]:
    """One-step costs of queries and their nearest references, and the radius.

    Without a radius it is what contains 95 % of these pairs.
    """
    rows, distance = nearest(queries, references, unit, neighbours=1, same_task=same_task)
    alike, radius = _alike(distance, radius)
    costly, found = queries.values > 0, references.values[rows[:, 0]] > 0
    pairs = Pairs(
        missed=per_episode(queries, ~found, alike & costly),
        alarms=per_episode(queries, found, alike & ~costly),
    )
    return pairs, radius


def compare_costs_to_go(
    queries: Visited,
    references: Visited,
    unit: np.ndarray,
    *,
    radius: float | None,
    tolerance: float,
    same_task: bool,
) -> tuple[Gaps, float]:
    """Discounted costs of queries and of their nearest references, and the radius."""
    rows, distance = nearest(queries, references, unit, neighbours=AVERAGED, same_task=same_task)
    alike, radius = _alike(distance, radius)
    gap = queries.values - references.values[rows].mean(axis=1)
    worst = gap[alike][np.abs(gap[alike]).argmax()] if alike.any() else np.nan
    gaps = Gaps(
        gap=per_episode(queries, gap, alike),
        beyond=per_episode(queries, np.abs(gap) > tolerance, alike),
        unfamiliar=per_episode(queries, ~alike, np.ones_like(alike)),
        worst=float(worst),
    )
    return gaps, radius


def _alike(
    distance: Float[np.ndarray, " queries"], radius: float | None
) -> tuple[Bool[np.ndarray, " queries"], float]:
    """Which queries found a neighbour within the radius, and the radius."""
    radius = float(np.quantile(distance, 0.95)) if radius is None else radius
    return distance <= radius, radius


def per_episode(
    states: Visited, values: np.ndarray, counted: Bool[np.ndarray, " states"]
) -> PerEpisode:
    """Sums and counts by episode, of the states that are counted."""
    weights = np.where(counted, values, 0).astype(np.float64)
    sums = np.bincount(states.episodes, weights, minlength=states.count)
    counts = np.bincount(states.episodes, counted.astype(np.float64), minlength=states.count)
    return PerEpisode(sums, counts)
