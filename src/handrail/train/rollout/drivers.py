"""What acts in episodes on the host: Python functions, or a policy under an intervention."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from handrail.core.informed import informed
from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Timestep, Transition
from handrail.train.rollout.base import (
    EpisodeIntervention,
    RolloutPolicy,
    StepRecord,
    begin,
    unassisted,
)
from handrail.train.step import EpisodeSoFar, judge, zeros_like

Act = Callable[[Any], Any]
"""The action in an observation."""


PerSeat = Sequence[Any] | np.ndarray
"""Something of each seat."""


@dataclasses.dataclass(eq=False, slots=True)
class Playing:
    """An episode under way, with its undiscounted sums."""

    number: int
    steps: int = 0
    reward: float = 0.0
    cost: float = 0.0
    interventions: int = 0
    constraints: Any = None
    last_reward: float = 0.0
    last_cost: float = 0.0

    def add(self, timestep: Any, intervened: Any) -> None:
        """Counts a step."""
        self.last_reward, self.last_cost = float(timestep.reward), float(timestep.cost)
        self.reward += self.last_reward
        self.cost += self.last_cost
        self.steps += 1
        self.interventions += bool(intervened)
        if timestep.constraints is not None:
            each = np.asarray(timestep.constraints, np.float64)
            self.constraints = each if self.constraints is None else self.constraints + each


class Decided(NamedTuple):
    """What is done in a step, by seat."""

    actions: PerSeat
    intervened: PerSeat
    records: Any = None  # leaves (seats, …)


class AbstractDriver(abc.ABC):
    """Acts in the episodes of several environments at a time."""

    @abc.abstractmethod
    def begin(self, keys: Key[Array, " episodes"], seats: int) -> None:
        """Before the first step of episodes with these keys."""

    @abc.abstractmethod
    def decide(self, observations: Sequence[Any], playing: Sequence[Playing | None]) -> Decided:
        """What is done in each seat; where none plays it does not matter."""


class ByHand(AbstractDriver):
    """Functions of Python act, without interventions: `acting(key)` gives that of an episode."""

    def __init__(self, acting: Callable[[Key[Array, ""]], Act]):
        self._acting = acting

    def begin(self, keys: Key[Array, " episodes"], seats: int) -> None:
        self._keys = list(keys)
        self._acts: list[Any] = [None] * seats
        self._intervened = [False] * seats

    def decide(self, observations: Sequence[Any], playing: Sequence[Playing | None]) -> Decided:
        actions = []
        for seat, mine in enumerate(playing):
            if mine is None:
                actions.append(None)
                continue
            if mine.steps == 0:
                self._acts[seat] = self._acting(self._keys[mine.number])
            actions.append(self._acts[seat](informed(observations[seat]).learners))
        return Decided(actions, self._intervened)


class Compiled(AbstractDriver):
    """A policy under an intervention, as in `compiled.rollout`: one call on the device decides.

    With `at_once` a step of all seats is one call, else each seat's is one: the numbers of one
    observation among many may differ from its own by rounding.
    """

    def __init__(
        self,
        policy: RolloutPolicy,
        intervention: EpisodeIntervention = unassisted,
        *,
        record: StepRecord | None = None,
        at_once: bool = False,
    ):
        arrays, static = eqx.partition((policy, intervention, record), eqx.is_array)
        # flat: taking modules apart at every step would take longer than a step of the physics
        self._leaves, tree = jax.tree.flatten(arrays)
        self._call, self._one = _calls(tree, static, at_once)
        self._at_once = at_once
        self._nothing: Any = None

    def begin(self, keys: Key[Array, " episodes"], seats: int) -> None:
        self._keys, self._between = keys, [None] * seats

    def decide(self, observations: Sequence[Any], playing: Sequence[Playing | None]) -> Decided:
        rows = [_row(mine) for mine in playing]
        if self._at_once:
            stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *observations)
            out = self._ask(0, np.stack(rows), stacked)
            return Decided(*jax.tree.map(np.asarray, out))
        outs: list[Any] = [(None, False, None)] * len(playing)
        for seat, mine in enumerate(playing):
            if mine is not None:
                out = self._ask(seat, rows[seat], observations[seat])
                outs[seat] = np.asarray(out[0]), bool(out[1]), out[2]
        actions, intervened, records = zip(*outs, strict=True)
        assert not jax.tree.leaves(records)  # decide for all seats at once to record
        return Decided(actions, intervened)

    def _ask(self, seat: int, row: np.ndarray, observation: Any) -> Any:
        given = self._leaves, self._keys, row, observation
        between = self._between[seat]
        if between is None:  # nothing yet, in the shape of what there will be
            if self._nothing is None:
                self._nothing = zeros_like(jax.eval_shape(self._one, *given, None)[1])
            between = self._nothing
        out, self._between[seat] = self._call(*given, between)
        return out


class _Between(NamedTuple):
    """What a trigger is told of with the next decision; None where it remembers nothing."""

    memory: Memory
    context: Context | None
    decision: Decision | None


def _row(mine: Playing | None) -> Float[np.ndarray, "7"]:
    """An episode's progress as one array, which is handed over faster than seven numbers."""
    if mine is None:
        return np.zeros(7, np.float32)
    return np.array(
        [mine.number, mine.steps, mine.reward, mine.cost, mine.interventions,
         mine.last_reward, mine.last_cost], np.float32,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)  # so that a guide in training is compiled once
def _calls(tree: Any, static: Any, at_once: bool) -> tuple[Any, Any]:
    """The compiled call of a step, of one seat or of all, and what it compiles."""

    def one(leaves, keys, row, observation, between: _Between | None):
        actors = eqx.combine(jax.tree.unflatten(tree, leaves), static)
        policy, intervention, record = actors
        number = row[0].astype(jnp.int32)
        key = keys[number]
        acting = intervention(key, number)
        memory, progress = begin(acting, number, None)
        if between is not None and jax.tree.leaves(memory):
            later = _remembered(acting, key, row, observation, between)
            memory = jax.tree.map(lambda new, old: jnp.where(row[1] == 0, new, old), memory, later)
        steps, taken = row[1].astype(jnp.int32), row[4].astype(jnp.int32)
        progress = dataclasses.replace(
            progress, step=steps, so_far=EpisodeSoFar(steps, row[2], row[3], taken)
        )
        proposal = policy(informed(observation).learners, progress, key)
        context, decision = judge(
            acting, proposal, memory, observation, progress, share_done=jnp.float32(0), key=key
        )
        kept = None if record is None else record(key, context, decision)
        told = (context, decision) if jax.tree.leaves(memory) else (None, None)
        return (decision.applied, decision.intervened, kept), _Between(memory, *told)

    called = jax.vmap(one, in_axes=(None, None, 0, 0, 0)) if at_once else one
    return jax.jit(called), called


def _remembered(acting, key, row, observation, between: _Between) -> Memory:
    """What a trigger remembers after the step before this one, after which its episode goes on."""
    context, decision = between.context, between.decision
    assert context is not None and decision is not None
    no = jnp.array(False)
    timestep = Timestep(observation, row[5], row[6], no, no)
    return acting.observe(
        between.memory, context, Transition.of(context, decision, timestep),
        key=stream(key, "remember", context.step),
    )  # fmt: skip
