"""Whole episodes in environments on the host: a single one, equal ones, or a vector environment."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.envs.host import AbstractHost, AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.train.rollout.base import Episodes, Steps
from handrail.train.rollout.drivers import AbstractDriver, Playing
from handrail.train.rollout.seats import seats_of

Environments = AbstractHost | Sequence[AbstractHostEnvironment]


def rollout_on_host(
    environments: Environments,
    driver: AbstractDriver,
    *,
    keys: Key[Array, " episodes"],
    longest: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Episodes:
    """Runs an episode with each key, as many at a time as there are environments.

    Which environment an episode is played in changes nothing: all that is random comes from the
    episode's key. Of a list, whose environments are equal, whichever has ended its episode begins
    the next one. In a vector environment of n copies, the i-th plays the episodes i, i + n, …;
    a copy that has no more goes on with actions of zeros, and nothing of that is counted.
    The episodes that the environments were in are lost: give environments of their own.

    Args:
        environments: on the host.
        driver: what acts: `ByHand` or `Compiled`.
        keys: all that is random in an episode comes from its key, as in `compiled.rollout`.
        longest: steps after which an episode is cut off; by default it goes on to its end.
        report: called with (episodes that have ended, all of them).

    Returns:
        The sums and, of a driver that records, the steps, which are 0 beyond the end of an
        episode; then `longest` must be given.
    """
    count = len(keys)
    seats = seats_of(environments, keys)
    driver.begin(keys, seats.width)
    apart = isinstance(environments, AbstractVectorHost)
    queues = (
        [deque(range(seat, count, seats.width)) for seat in range(seats.width)]
        if apart
        else [deque(range(count))] * seats.width
    )
    written = _Written(count, longest, seats.constraints)
    playing: list[Playing | None] = [_next(queue) for queue in queues]
    seats.reset(playing, [True] * seats.width)
    while any(playing):
        decided = driver.decide(seats.observations, playing)
        written.decided(playing, decided.records)
        ended = [False] * seats.width
        for seat, timestep in seats.step(decided.actions, playing):
            mine = playing[seat]
            if mine is None:  # a copy of a vector environment that has no more episodes
                ended[seat] = bool(timestep.terminated or timestep.truncated)
                continue
            written.happened(mine, timestep)
            mine.add(timestep, decided.intervened[seat])
            if timestep.terminated or timestep.truncated or mine.steps == longest:
                ended[seat] = True
                playing[seat] = _next(queues[seat])
                report(written.ended(mine, timestep), count)
        if any(ended) and any(playing):
            seats.reset(playing, ended)
    return written.episodes()


def _next(queue: deque[int]) -> Playing | None:
    return Playing(queue.popleft()) if queue else None


class _Written:
    """What is known of the episodes."""

    def __init__(self, count: int, longest: int | None, constraints: int):
        self._shape: Any = count, longest
        self._sums = np.zeros((count, 4 + constraints))
        self._terminated = np.zeros(count, np.bool_)
        self._ended = 0
        self._steps: Any = None

    def decided(self, playing: Sequence[Playing | None], records: Any) -> None:
        """Keeps what the driver records of the step that is about to be taken."""
        if records is None:
            return
        if self._steps is None:
            assert self._shape[1] is not None  # there is no array without end
            empty: Any = [np.zeros(self._shape, kind) for kind in (np.bool_, *2 * (np.float32,))]
            self._steps = Steps(*empty, records=jax.tree.map(self._rows, records))
        seated = [seat for seat, mine in enumerate(playing) if mine is not None]
        places = [(mine.number, mine.steps) for mine in playing if mine is not None]
        at = tuple(np.array(places).T)
        for array, leaf in zip(
            jax.tree.leaves(self._steps.records), jax.tree.leaves(records), strict=True
        ):
            array[at] = leaf[seated]
        self._steps.running[at] = True

    def _rows(self, leaf: np.ndarray) -> np.ndarray:
        return np.zeros((*self._shape, *leaf.shape[1:]), leaf.dtype)

    def happened(self, mine: Playing, timestep: Any) -> None:
        """Keeps what came of a step."""
        if self._steps is None:
            return
        self._steps.rewards[mine.number, mine.steps] = timestep.reward
        self._steps.costs[mine.number, mine.steps] = timestep.cost

    def ended(self, mine: Playing, timestep: Any) -> int:
        """Keeps the sums of an episode; returns how many have ended."""
        own = (mine.reward, mine.cost, mine.steps, mine.interventions)
        self._sums[mine.number, :4] = own
        if mine.constraints is not None:
            self._sums[mine.number, 4:] = mine.constraints
        self._terminated[mine.number] = timestep.terminated
        self._ended += 1
        return self._ended

    def episodes(self) -> Episodes:
        """All of it."""
        returns, costs, lengths, interventions = self._sums[:, :4].T
        each = self._sums[:, 4:]
        return Episodes(
            jnp.array(returns, jnp.float32),
            jnp.array(costs, jnp.float32),
            jnp.array(lengths, jnp.int32),
            jnp.array(each, jnp.float32) if each.size else None,
            jnp.array(interventions, jnp.int32),
            jnp.array(self._terminated),
            self._steps,
        )
