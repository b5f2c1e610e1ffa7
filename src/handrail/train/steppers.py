"""One environment of a host loop by itself, and a vector of several."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Observation, Timestep, Transition
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.learners.base import Clock
from handrail.train.compiled import RunState
from handrail.train.step import Progress, Record, decide
from handrail.train.stepper import (
    AbstractStepper,
    PerEnvironment,
    make_transition_for,
    no_costs,
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
        self,
        actors: Any,
        policy_snapshot: Any,
        state: RunState,
        context: Context,
        decision: Decision,
        timestep: Timestep,
    ) -> tuple[RunState, Transition, Record]:
        own = PerEnvironment(state.memory, state.progress)
        happened = context, decision, timestep
        own, transition, record = make_transition_for(
            actors, policy_snapshot, state.key, own, *happened, actions=self.actions
        )
        state = dataclasses.replace(
            state,
            observation=timestep.observation,
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


class VectorStepper(AbstractStepper):
    """n environments: a vector step is a step of each, in their order.

    Each has an intervention's memory and an episode of its own (`PerEnvironment`, in place of the
    one memory in `RunState`, whose `progress` has the totals and no episode). The i-th numbers
    its steps and episodes from i · total / n on, whereas the learner's clock counts the steps of
    all: what lasts for some steps (an interval, a repeated action) does so in one environment,
    and no two environments draw from the same keys. One environment is what `SingleStepper` has.
    """

    def __init__(self, environment: AbstractVectorHost, *, total: int, block: int):
        copies = environment.copies
        for what, steps in (("the agent's block", block), ("the whole run", total)):
            if steps % copies:
                raise HandrailError(
                    f"{copies} environments side by side, and {what} is {steps} steps; expected "
                    f"a multiple of {copies}: put another number of environments side by side, or "
                    "change steps or the learner's block (SacSettings.train_every, "
                    "QLearning.train_every)"
                )
        self._vector = environment
        self.environment, self.actions = environment, environment.actions
        self.width, self._share = copies, total // copies

    def begin(self, key: Key[Array, ""]) -> Observation:
        # the first copy begins as a single environment does
        first = stream(key, "first reset")
        keys = jnp.stack([first, *(stream(first, "copy", i) for i in range(1, self.width))])
        return self._vector.reset(np.ones(self.width, np.bool_), keys=keys)

    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        keys = _keys_of(key, self._numbers(step), "resume")
        return self._vector.reset(np.ones(self.width, np.bool_), keys=keys)

    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        count = block // self.width
        if not self._vector.steps_draw:
            return itertools.repeat(_keys_of(key, self._numbers(step), "environment"), count)
        return _keys_of(key, self._numbers(step)[None] + jnp.arange(count)[:, None], "environment")

    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], index: int
    ) -> tuple[Any, Observation | None]:
        timestep = self._vector.step(action, keys=step_key)
        ended = timestep.terminated | timestep.truncated
        if not ended.any():
            return timestep, None
        keys = _keys_of(key, self._numbers(step) + index, "reset")
        return timestep, self._vector.reset(np.asarray(ended), keys=keys)

    def midway(self, state: RunState) -> bool:
        return bool(np.any(_under_way(state)))

    def _numbers(self, step: Int[Array, ""]) -> Int[Array, " copies"]:
        """The steps of all copies in the vector step that begins at `step` of the run."""
        return jnp.arange(self.width) * self._share + step // self.width

    def memory(self, intervention: Intervention) -> Memory:
        def begun(number: Int[Array, ""]) -> PerEnvironment:
            fresh = Progress.begin(no_costs(self._vector.constraints))
            progress = dataclasses.replace(fresh, step=number, episode=number)
            return PerEnvironment(jax.tree.map(jnp.asarray, intervention.init()), progress)

        return jax.vmap(begun)(self._numbers(jnp.int32(0)))

    def example(self, several: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf[0], several)

    def outcome(self, observation: Observation) -> Timestep:
        names = self._vector.constraints
        return jax.vmap(lambda one: timestep_like(one, names))(observation)

    def decide(
        self, actors: Any, policy_snapshot: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        agent, intervention, _ = actors

        def one(place: Int[Array, ""], observation: Observation, own: PerEnvironment):
            return decide(
                agent, intervention, policy_snapshot, own.memory, observation, own.progress,
                clock=Clock.at(state.progress.step + place, total), key=state.key,
            )  # fmt: skip

        return jax.vmap(one)(jnp.arange(self.width), state.observation, state.memory)

    def make_transition(
        self,
        actors: Any,
        policy_snapshot: Any,
        state: RunState,
        context: Context,
        decision: Decision,
        timestep: Timestep,
    ) -> tuple[RunState, Transition, Record]:
        def count(counts: PyTree, happened) -> tuple[PyTree, None]:
            return actors[2].add(counts, None, *happened), None

        happened = context, decision, timestep
        each = jax.vmap(
            functools.partial(
                make_transition_for, actors, policy_snapshot, state.key, actions=self.actions
            )
        )
        own, transition, record = each(state.memory, *happened)
        counts, _ = jax.lax.scan(count, state.counts, happened)
        before = state.progress
        progress = dataclasses.replace(
            before,
            step=before.step + self.width,
            episode=before.episode + record.ended.sum(dtype=jnp.int32),
            cost=before.cost + transition.cost.sum(),
            interventions=before.interventions + transition.intervened.sum(dtype=jnp.int32),
        )
        state = dataclasses.replace(
            state, observation=timestep.observation, memory=own, counts=counts, progress=progress
        )
        return state, transition, record

    def in_order(self, rows: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), rows)

    def cut_short(self, state: RunState, after: RunState) -> RunState:
        def one(running, own: PerEnvironment, concluded: PerEnvironment) -> PerEnvironment:
            memory = jax.tree.map(
                lambda new, old: jnp.where(running, new, old), concluded.memory, own.memory
            )
            return PerEnvironment(memory, without_episode(own.progress, running))

        running = _under_way(state)
        own = jax.vmap(one)(running, state.memory, after.memory)
        episode = state.progress.episode + running.sum(dtype=jnp.int32)
        progress = dataclasses.replace(state.progress, episode=episode)
        return dataclasses.replace(state, memory=own, progress=progress)


def _under_way(state: RunState) -> Bool[Array, " copies"]:
    """In which copies an episode is under way."""
    return state.memory.progress.so_far.steps > 0


@functools.partial(jax.jit, static_argnames="name")
def _keys_of(key: Key[Array, ""], numbers: Int[Array, "..."], name: str) -> Key[Array, "..."]:
    """A key of this stream for each number."""
    keys = jax.vmap(lambda number: stream(key, name, number))(numbers.ravel())
    return keys.reshape(numbers.shape)


@jax.jit
def _reset_key(
    key: Key[Array, ""], step: Int[Array, ""], index: int | Int[Array, ""]
) -> Key[Array, ""]:
    return stream(key, "reset", step + index)


@functools.partial(jax.jit, static_argnames="count")
def _step_keys(key: Key[Array, ""], step: Int[Array, ""], count: int) -> Key[Array, " count"]:
    return jax.vmap(lambda n: stream(key, "environment", n))(step + jnp.arange(count))
