"""One environment of a host loop by itself, and a vector of several."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Observation, Timestep, Transition
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.train.compiled import RunState
from handrail.train.side_by_side import SideBySide, first_keys, keys_of, under_way
from handrail.train.step import Record, decide
from handrail.train.stepper import (
    AbstractStepper,
    Happened,
    PerEnvironment,
    make_transition_for,
    timestep_like,
    without_episode,
)


class SingleStepper(AbstractStepper):
    """One environment: a vector step is a step, and its trees have no axis of environments."""

    width = 1

    def __init__(self, environment: AbstractHostEnvironment):
        self._single = environment
        self.environment, self.actions = environment, environment.actions

    def begin(self, key: Key[Array, ""]) -> Observation:
        return self._single.reset(key=stream(key, "first reset"))

    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        return self._single.reset(key=stream(key, "resume", step))

    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        if not self._single.steps_draw:
            return itertools.repeat(key, block)
        return _step_keys(key, step, block)

    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], index: int
    ) -> tuple[Any, Observation | None]:
        timestep = self._single.step(action, key=step_key)
        if not (timestep.terminated or timestep.truncated):
            return timestep, None
        return timestep, self._single.reset(key=_reset_key(key, step, index))

    def midway(self, state: RunState) -> bool:
        return bool(state.progress.so_far.steps)

    def memory(self, intervention: Intervention) -> Memory:
        return intervention.init()

    def example(self, several: PyTree) -> PyTree:
        return several

    def outcome(self, observation: Observation) -> Timestep:
        return timestep_like(observation, self._single.constraints)

    def decide(
        self, actors: Any, policy_snapshot: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        agent, intervention, _ = actors
        return decide(
            agent, intervention, policy_snapshot, state.memory, state.observation, state.progress,
            clock=state.progress.clock(total), key=state.key,
        )  # fmt: skip

    def make_transition(
        self, actors: Any, policy_snapshot: Any, state: RunState, happened: Happened
    ) -> tuple[RunState, Transition, Record]:
        own = PerEnvironment(state.memory, state.progress)
        own, transition, record = make_transition_for(
            actors, policy_snapshot, state.key, own, happened, actions=self.actions
        )
        state = dataclasses.replace(
            state,
            observation=happened[2].observation,
            memory=own.memory,
            counts=actors[2].add(state.counts, None, *happened),
            progress=own.progress,
        )
        return state, transition, record

    def in_order(self, rows: PyTree) -> PyTree:
        return rows

    def cut_short(self, state: RunState, after: RunState) -> RunState:
        progress = without_episode(state.progress, jnp.array(True))
        return dataclasses.replace(state, memory=after.memory, progress=progress)


class VectorStepper(SideBySide, AbstractStepper):
    """n environments on the host; what a vector step decides and leaves is that of `SideBySide`.

    One environment is what `SingleStepper` has.
    """

    def __init__(self, environment: AbstractVectorHost, *, total: int, block: int):
        copies, constraints = environment.copies, environment.constraints
        super().__init__(copies, environment.actions, constraints, total=total, block=block)
        self.environment = self._vector = environment

    def begin(self, key: Key[Array, ""]) -> Observation:
        keys = first_keys(key, self.width)
        return self._vector.reset(np.ones(self.width, np.bool_), keys=keys)

    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        keys = keys_of(key, self.numbers(step), "resume")
        return self._vector.reset(np.ones(self.width, np.bool_), keys=keys)

    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        count = block // self.width
        if not self._vector.steps_draw:
            return itertools.repeat(keys_of(key, self.numbers(step), "environment"), count)
        return keys_of(key, self.numbers(step)[None] + jnp.arange(count)[:, None], "environment")

    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], index: int
    ) -> tuple[Any, Observation | None]:
        timestep = self._vector.step(action, keys=step_key)
        ended = timestep.terminated | timestep.truncated
        if not ended.any():
            return timestep, None
        keys = keys_of(key, self.numbers(step) + index, "reset")
        return timestep, self._vector.reset(np.asarray(ended), keys=keys)

    def midway(self, state: RunState) -> bool:
        return bool(np.any(under_way(state)))


@jax.jit
def _reset_key(
    key: Key[Array, ""], step: Int[Array, ""], index: int | Int[Array, ""]
) -> Key[Array, ""]:
    return stream(key, "reset", step + index)


@functools.partial(jax.jit, static_argnames="count")
def _step_keys(key: Key[Array, ""], step: Int[Array, ""], count: int) -> Key[Array, " count"]:
    return jax.vmap(lambda n: stream(key, "environment", n))(step + jnp.arange(count))
