"""How far is a view from a Q^c-irrelevance abstraction? Measured on visited states.

arXiv:2307.14316 trusts a guide in the target if states with one image under Ξ have one expected
cost. Source and target are visited under the guide and, as at a takeover, under the guide after
an explorer. Nothing here judges: see `handrail.transfer_check.verdict`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHost
from handrail.envs.transfer import TransferProblem, observation_shapes
from handrail.envs.vector_host import AbstractVectorHost
from handrail.equations.budget import LIMIT_STEPS, discounted_limit
from handrail.transfer_check.calibration import CriticCalibration, calibrate
from handrail.transfer_check.neighbours import (
    QUERIES,
    REFERENCES,
    Gaps,
    Pairs,
    PerEpisode,
    Visited,
    balanced,
    compare_costs,
    compare_costs_to_go,
    drawn,
    only,
    spread,
    telling_parts,
)
from handrail.transfer_check.rollouts import SEATS, Visits, roll, roll_on_host

Report = Callable[[str, int, int], None]
"""Called with (`source` or `target`, episodes that have ended, all of them)."""
PLACES = ("source", "target")
_TAIL = 0.05  # discounted weight of what a time limit may cut off a cost-to-go


@dataclasses.dataclass(frozen=True)
class TaskMeasurement:
    """What the guide does in one task, one entry an episode; costs undiscounted unless said."""

    own_costs: np.ndarray  # of whole episodes of the guide alone
    own_lengths: np.ndarray
    handed_costs: np.ndarray  # from the takeover to the end
    handed_lengths: np.ndarray
    predicted: PerEpisode  # discounted cost by the guide's critic, in states where it acts
    incurred: PerEpisode  # and what followed, in the same states
    foresight: CriticCalibration  # soon after the guide began to act
    costly_states: int  # visited, by explorer or guide


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Everything measured. The floor of each comparison is what the source has by itself."""

    source: TaskMeasurement
    target: TaskMeasurement
    telling: tuple[str, ...]  # parts of the view that tell costly states in the source
    costs: dict[str, Pairs]  # one-step costs; by "floor", "within" the target, "across" tasks
    costs_to_go: dict[str, Gaps]  # discounted, soon after the guide began to act
    discount: float
    limit_steps: int = LIMIT_STEPS  # of the episode that limits are for


def measure(
    problem: TransferProblem,
    guides: Mapping[str, Any],
    *,
    episodes: int,
    discount: float = 0.99,
    limit: float,
    limit_fraction: float = 1.0,
    limit_steps: int = LIMIT_STEPS,
    key: Key[Array, ""],
    another: Callable[[], TransferProblem] | None = None,
    report: Report = lambda what, done, total: None,
) -> Measurement:
    """Runs `episodes` of the guide, and twice as many takeovers, in both tasks and compares them.

    `guides` is the guide as it is asked in the `source` and in the `target`.

    `limit` is the target's, of an episode of `limit_steps` steps, undiscounted: gaps of a
    cost-to-go are counted that exceed it on the discounted scale, and states in which the guide
    predicts more than it, or than the fraction of it that the student aims at. Source and target
    are each compiled or on the host, with the length of their episodes in steps as `episode_length`
    or `time_limit`; single ones on the host are stepped side by side if `another()` builds the
    problem anew, and `report` follows them. Raises `HandrailError` for fewer than 2 episodes and
    for what is no such environment.
    """
    if episodes < 2:
        raise HandrailError(f"episodes is {episodes}: expected at least 2, such as 100")
    visits: dict[str, Visits] = {}
    for name in PLACES:
        environment = getattr(problem, name)
        times = takeover_steps(episodes, _length(environment, f"{problem.name}: the {name}"))
        asked = guides[name], times
        if isinstance(environment, AbstractEnvironment):
            visits[name] = roll(environment, *asked, key=stream(key, name))
            continue
        more = range(1, min(SEATS, len(times)) if another else 1)
        copies: Any = environment
        if not isinstance(environment, AbstractVectorHost):
            copies = [environment, *(getattr(another(), name) for _ in more if another)]
        visits[name] = roll_on_host(
            copies,
            *asked,
            steps=_length(environment, name),
            key=stream(key, name),
            report=functools.partial(report, name),
        )
    seed = int(jax.random.bits(stream(key, "pairs")))
    tolerance = discounted_limit(limit, discount, limit_steps)
    telling, costs, to_go = _compared(
        visits, _slices(problem.source), discount, tolerance, np.random.default_rng(seed)
    )
    source, target = (_task(visits[name], discount, tolerance, limit_fraction) for name in PLACES)
    return Measurement(source, target, telling, costs, to_go, discount, limit_steps)


def _length(environment: Any, what: str) -> int:
    """Steps of an episode; raises `HandrailError` for what cannot be run."""
    length = getattr(environment, "episode_length", getattr(environment, "time_limit", None))
    known = isinstance(environment, AbstractEnvironment | AbstractHost)
    if not known or not isinstance(length, int):
        raise HandrailError(
            f"{what} is a {type(environment).__name__}; expected a compiled environment, or one "
            "on the host (AbstractHost) with an `episode_length` in steps"
        )
    return length


def takeover_steps(episodes: int, length: int) -> np.ndarray:
    """First steps of the guide: 0 in its own episodes, then spread from 5 % to 40 % of one.

    There are twice as many of the latter: it is the explorer who meets costly states.
    """
    late = np.linspace(max(length / 20, 1), 2 * length / 5, 2 * episodes).astype(int)
    return np.concatenate([np.zeros(episodes, int), late])


def costs_to_go(visits: Visits, discount: float) -> Float[np.ndarray, "episodes steps"]:
    """The discounted sum of costs from every step to the end of its episode."""
    costs = np.where(visits.running, visits.costs, 0).astype(np.float64)
    sums = np.zeros_like(costs)
    after = np.zeros(len(costs))
    for step in reversed(range(costs.shape[1])):
        after = costs[:, step] + discount * after
        sums[:, step] = after
    return sums


def guided(visits: Visits, discount: float) -> Bool[np.ndarray, "episodes steps"]:
    """Where the guide acts to the end and a time limit cuts off at most 5 % of the cost-to-go.

    In short episodes at most their second half is left out.
    """
    steps = np.arange(visits.costs.shape[1])
    tail = math.ceil(math.log(_TAIL) / math.log(discount)) if 0 < discount < 1 else 1
    tail = min(tail, visits.costs.shape[1] // 2)
    ends = np.where(visits.terminated, visits.lengths, visits.lengths - tail)
    return visits.running & (steps >= visits.handed_over[:, None]) & (steps < ends[:, None])


def unsettled(visits: Visits, discount: float) -> Bool[np.ndarray, "episodes steps"]:
    """`guided`, within 1 / (1 − γ) steps of the guide's first: later it has mostly come to rest."""
    horizon = 1 / (1 - discount) if discount < 1 else visits.costs.shape[1]
    late = np.arange(visits.costs.shape[1]) >= visits.handed_over[:, None] + horizon
    return guided(visits, discount) & ~late


def _task(visits: Visits, discount: float, limit: float, fraction: float) -> TaskMeasurement:
    own = visits.handed_over == 0
    by_guide = visits.running & (np.arange(visits.costs.shape[1]) >= visits.handed_over[:, None])
    costs = np.where(by_guide, visits.costs, 0).sum(axis=1, dtype=np.float64)
    counted = guided(visits, discount)
    followed = costs_to_go(visits, discount)
    return TaskMeasurement(
        own_costs=costs[own],
        own_lengths=visits.lengths[own],
        handed_costs=costs[~own],
        handed_lengths=by_guide.sum(axis=1)[~own],
        predicted=PerEpisode.of_steps(visits.predicted, counted),
        incurred=PerEpisode.of_steps(followed, counted),
        foresight=calibrate(
            visits, unsettled(visits, discount), followed, aim=fraction * limit, limit=limit
        ),
        costly_states=int((visits.running & (visits.costs > 0)).sum()),
    )


def _states(visits: Visits, values: np.ndarray, chosen: np.ndarray) -> Visited:
    episodes, steps = np.nonzero(chosen)
    return Visited(
        visits.views[episodes, steps], values[episodes, steps], episodes, len(visits.costs)
    )


def _arrived(visits: Visits) -> Visited:
    """States with the cost of having arrived in them; first states have none."""
    values = np.pad(visits.costs, ((0, 0), (1, 0)))[:, :-1]
    chosen = visits.running.copy()
    chosen[:, 0] = False
    return _states(visits, values, chosen)


def _compared(
    visits: dict[str, Visits],
    parts: dict[str, slice],
    discount: float,
    tolerance: float,
    rng: np.random.Generator,
) -> tuple[tuple[str, ...], dict[str, Pairs], dict[str, Gaps]]:
    unit = spread(visits["source"].views[visits["source"].running])
    pairings = {"floor": ("source", "source"), "within": ("target",) * 2,
                "across": ("target", "source")}  # fmt: skip

    arrived = {name: _arrived(episodes) for name, episodes in visits.items()}
    queries = {name: balanced(states, QUERIES, rng) for name, states in arrived.items()}
    known = {name: balanced(states, REFERENCES, rng) for name, states in arrived.items()}
    telling = telling_parts(queries["source"], known["source"], unit, parts)
    narrow = only(unit, [parts[name] for name in telling])
    costs: dict[str, Pairs] = {}
    radius = None  # the first pairing, the source's own, sets it for all
    for name, (asks, knows) in pairings.items():
        costs[name], radius = compare_costs(
            queries[asks], known[knows], narrow, radius=radius, same_task=asks == knows
        )

    going = {
        name: _states(e, costs_to_go(e, discount), unsettled(e, discount))
        for name, e in visits.items()
    }
    queries = {name: drawn(states, 2 * QUERIES, rng) for name, states in going.items()}
    known = {name: drawn(states, 2 * REFERENCES, rng) for name, states in going.items()}
    to_go: dict[str, Gaps] = {}
    radius = None
    for name, (asks, knows) in pairings.items():
        to_go[name], radius = compare_costs_to_go(
            queries[asks], known[knows], unit,
            radius=radius, tolerance=tolerance, same_task=asks == knows,
        )  # fmt: skip
    return telling, costs, to_go


def _slices(environment: Any) -> dict[str, slice]:
    """Where the named parts lie in a view as one vector."""
    shapes = observation_shapes(environment)
    named = shapes if isinstance(shapes, dict) else {"observation": shapes}
    slices, begin = {}, 0
    for name in sorted(named):
        size = math.prod(named[name].shape)
        slices[name] = slice(begin, begin + size)
        begin += size
    return slices
