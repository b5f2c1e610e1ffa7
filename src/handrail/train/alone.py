"""A host loop's only environment."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.envs.host import AbstractHostEnvironment
from handrail.interventions.base import Intervention
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.formation import AbstractFormation, next_progress
from handrail.train.step import Record, conclude, decide
from handrail.types import Context, Decision, Memory, Observation, Timestep, Transition


class Alone(AbstractFormation):
    """One environment: a wave is a step."""

    width = 1

    def __init__(self, environment: AbstractHostEnvironment):
        self._environment, self.actions = environment, environment.actions

    def begin(self, key: Key[Array, ""]) -> Observation:
        return self._environment.reset(key=stream(key, "first reset"))

    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        return self._environment.reset(key=stream(key, "resume", step))

    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        if not self._environment.steps_draw:
            return itertools.repeat(key, block)
        return _step_keys(key, step, block)

    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], wave: int
    ) -> tuple[Any, Observation | None]:
        timestep = self._environment.step(action, key=step_key)
        if not (timestep.terminated or timestep.truncated):
            return timestep, None
        return timestep, self._environment.reset(key=_reset_key(key, step, wave))

    def snapshot(self) -> dict[str, Any] | None:
        return self._environment.snapshot()

    def restore(self, snapshot: dict[str, Any]) -> Observation:
        return self._environment.restore(snapshot)

    def midway(self, state: RunState) -> bool:
        return bool(state.progress.so_far.steps)

    def memory(self, intervention: Intervention) -> Memory:
        return intervention.init()

    def example(self, wave: PyTree) -> PyTree:
        return wave

    def outcome(self, observation: Observation) -> Timestep:
        return timestep_like(observation, self._environment.constraints)

    def decide(
        self, actors: Any, prepared: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        agent, intervention, _ = actors
        return decide(
            agent, intervention, prepared, state.memory, state.observation, state.progress,
            clock=state.progress.clock(total), key=state.key,
        )  # fmt: skip

    def conclude(
        self,
        actors: Any,
        prepared: Any,
        state: RunState,
        context: Context,
        decision: Decision,
        timestep: Timestep,
    ) -> tuple[RunState, Transition, Record]:
        agent, intervention, tally = actors
        memory, transition = conclude(
            agent, intervention, prepared, state.memory, context, decision, timestep,
            key=state.key,
        )  # fmt: skip
        counts = tally.add(state.counts, None, context, decision, timestep)
        progress, record = next_progress(state.progress, decision, transition, self.actions)
        state = dataclasses.replace(
            state,
            observation=timestep.observation,
            memory=memory,
            counts=counts,
            progress=progress,
        )
        return state, transition, record

    def in_order(self, waves: PyTree) -> PyTree:
        return waves

    def cut_short(self, state: RunState, after: RunState) -> RunState:
        before = state.progress
        progress = dataclasses.replace(
            before, episode=before.episode + 1, so_far=before.so_far.anew()
        )
        return dataclasses.replace(state, memory=after.memory, progress=progress)


@functools.partial(jax.jit, static_argnames="count")
def _step_keys(key: Key[Array, ""], step: Int[Array, ""], count: int) -> Key[Array, " count"]:
    return jax.vmap(lambda n: stream(key, "environment", n))(step + jnp.arange(count))


@jax.jit
def _reset_key(
    key: Key[Array, ""], step: Int[Array, ""], index: int | Int[Array, ""]
) -> Key[Array, ""]:
    return stream(key, "reset", step + index)


def timestep_like(observation: Any, constraints: tuple[str, ...]) -> Timestep:
    """A step that reaches such an observation, as the device sees it."""
    zero, no = jnp.zeros(()), jnp.array(False)
    costs = no_costs(constraints)
    return Timestep(jax.tree.map(jnp.asarray, observation), zero, zero, no, no, costs)


def no_costs(constraints: tuple[str, ...]) -> Float[Array, " constraints"] | None:
    """Zeros for several costs; None where there is one."""
    return jnp.zeros(len(constraints)) if constraints else None
