"""Where episodes are played on the host: one interface for single and vector environments."""

import abc
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from handrail.core.informed import informed
from handrail.core.rng import stream
from handrail.envs.base import zero_action
from handrail.envs.host import AbstractHost, AbstractHostEnvironment, HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, copy_of
from handrail.train.rollout.drivers import PerSeat, Playing

AHEAD = 500
"""Steps for which noise and keys are drawn at once."""


class AbstractSeats(abc.ABC):
    """Environments that play an episode each."""

    width: int
    constraints: int  # how many costs have limits of their own, 0 where there is one cost
    observations: list[Any]

    @abc.abstractmethod
    def reset(self, playing: Sequence[Playing | None], where: Sequence[bool]) -> None:
        """Begins the episodes of the seats `where`."""

    @abc.abstractmethod
    def step(
        self, actions: PerSeat, playing: Sequence[Playing | None]
    ) -> Iterator[tuple[int, HostTimestep]]:
        """One step of all seats that play: the seat, and what came of it."""


def seats_of(
    environments: AbstractHost | Sequence[AbstractHostEnvironment], keys: Key[Array, " episodes"]
) -> AbstractSeats:
    """Seats for episodes with these keys; of a list no more than there are episodes."""
    if isinstance(environments, AbstractVectorHost):
        return _Copies(environments, keys)
    hosts: Any = [environments] if isinstance(environments, AbstractHost) else list(environments)
    return _Hosts(hosts[: len(keys)], keys)


class _Hosts(AbstractSeats):
    """Environments that are stepped one after another; who has no episode is left alone."""

    def __init__(self, hosts: Sequence[AbstractHostEnvironment], keys: Key[Array, " episodes"]):
        self._hosts, self._keys, self.width = hosts, keys, len(hosts)
        self._resets = list(_named(keys, "reset"))
        self.constraints = len(hosts[0].constraints)
        self.observations: list[Any] = [None] * self.width
        self._step_keys: list[Iterator[Any]] = [iter(())] * self.width
        self._drawn = functools.partial(_steps_of, keys)

    def reset(self, playing: Sequence[Playing | None], where: Sequence[bool]) -> None:
        for seat, mine in enumerate(playing):
            if mine is None or not where[seat]:
                continue
            host, number = self._hosts[seat], mine.number
            self.observations[seat] = host.reset(key=self._resets[number])
            self._step_keys[seat] = (
                chained(functools.partial(self._drawn, number))
                if host.steps_draw
                else itertools.repeat(self._resets[number])
            )

    def step(
        self, actions: PerSeat, playing: Sequence[Playing | None]
    ) -> Iterator[tuple[int, HostTimestep]]:
        for seat in [seat for seat, mine in enumerate(playing) if mine is not None]:
            action = np.asarray(actions[seat])
            timestep = self._hosts[seat].step(action, key=next(self._step_keys[seat]))
            self.observations[seat] = timestep.observation
            yield seat, timestep


class _Copies(AbstractSeats):
    """The copies of a vector environment; who has no episode goes on with actions of zeros."""

    def __init__(self, environment: AbstractVectorHost, keys: Key[Array, " episodes"]):
        self._environment, self._keys, self.width = environment, keys, environment.copies
        self.constraints = len(environment.constraints)
        self.observations: list[Any] = []
        self._zero = np.asarray(zero_action(environment.actions))
        self._spare = [seat % len(keys) for seat in range(self.width)]
        self._taken = 0

    def reset(self, playing: Sequence[Playing | None], where: Sequence[bool]) -> None:
        numbers = self._numbers(playing)
        keys = _named(self._keys[numbers], "reset")
        idle = np.array([mine is None for mine in playing])
        if self._taken and idle.any():  # in the first call they begin like one of the episodes
            waiting = _named(self._keys[numbers], "wait", self._taken)
            keys = jnp.where(idle, waiting, keys)
        self._observed(self._environment.reset(np.array(where, np.bool_), keys=keys))

    def step(
        self, actions: PerSeat, playing: Sequence[Playing | None]
    ) -> Iterator[tuple[int, HostTimestep]]:
        chosen = [
            np.asarray(action) if mine is not None else self._waiting(seen)
            for action, mine, seen in zip(actions, playing, self.observations, strict=True)
        ]
        timesteps = self._environment.step(np.stack(chosen), keys=self._step_keys(playing))
        self._taken += 1
        self._observed(timesteps.observation)
        for seat in range(self.width):
            yield seat, copy_of(timesteps, seat)

    def _waiting(self, observation: Any) -> np.ndarray:
        """What a copy does that plays no episode: zeros, or the first action that is allowed."""
        allowed = informed(observation).allowed
        return self._zero if allowed is None else np.asarray(np.argmax(allowed), self._zero.dtype)

    def _observed(self, observations: Any) -> None:
        self.observations = [copy_of(observations, seat) for seat in range(self.width)]

    def _numbers(self, playing: Sequence[Playing | None]) -> Int[np.ndarray, " copies"]:
        return np.array([
            spare if mine is None else mine.number
            for mine, spare in zip(playing, self._spare, strict=True)
        ])  # fmt: skip

    @functools.cached_property
    def _any_keys(self) -> Key[Array, " copies"]:
        return self._keys[np.array(self._spare)]

    def _step_keys(self, playing: Sequence[Playing | None]) -> Key[Array, " copies"]:
        if not self._environment.steps_draw:
            return self._any_keys
        steps = np.array([self._taken if mine is None else mine.steps for mine in playing])
        return _step_keys(self._keys, self._numbers(playing), steps)


def chained(drawn: Callable[[int], Any]) -> Iterator[Any]:
    """What is drawn for the steps from 0 on, without end, `AHEAD` of them at once."""
    return itertools.chain.from_iterable(map(drawn, itertools.count(0, AHEAD)))


def _named(keys: Key[Array, " keys"], name: str, *counters: int) -> Key[Array, " keys"]:
    return jax.vmap(lambda key: stream(key, name, *counters))(keys)


@jax.jit
def _steps_of(
    keys: Key[Array, " episodes"], number: int | Int[Array, ""], first: int | Int[Array, ""]
) -> Key[Array, " steps"]:
    own = keys[number]
    return jax.vmap(lambda index: stream(own, "step", index))(first + jnp.arange(AHEAD))


@jax.jit
def _step_keys(
    keys: Key[Array, " episodes"], numbers: Int[Array, " copies"], steps: Int[Array, " copies"]
) -> Key[Array, " copies"]:
    return jax.vmap(lambda key, index: stream(key, "step", index))(keys[numbers], steps)
