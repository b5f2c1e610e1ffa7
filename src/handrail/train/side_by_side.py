"""Several environments side by side: what a vector step of them decides and leaves, compiled.

Shared by the host's vector of environments (`steppers.VectorStepper`) and by the compiled loop
over several (`vector.VectorLoop`).
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Observation, Timestep, Transition
from handrail.envs.base import ActionSpace
from handrail.interventions.base import Intervention
from handrail.learners.base import Clock
from handrail.train.compiled import RunState
from handrail.train.step import Progress, Record, decide
from handrail.train.stepper import (
    Happened,
    PerEnvironment,
    make_transition_for,
    no_costs,
    timestep_like,
    without_episode,
)


class SideBySide:
    """n environments: a vector step is a step of each, in their order.

    Each has an intervention's memory and an episode of its own (`PerEnvironment`, in place of the
    one memory in `RunState`, whose `progress` has the totals and no episode). The i-th numbers
    its steps and episodes from i · total / n on, whereas the learner's clock counts the steps of
    all: what lasts for some steps (an interval, a repeated action) does so in one environment,
    and no two environments draw from the same keys.
    """

    def __init__(
        self,
        width: int,
        actions: ActionSpace,
        constraints: tuple[str, ...],
        *,
        total: int,
        block: int,
    ):
        for what, steps in (("the agent's block", block), ("the whole run", total)):
            if steps % width:
                raise HandrailError(
                    f"{width} environments side by side, and {what} is {steps} steps; expected "
                    f"a multiple of {width}: put another number of environments side by side, or "
                    "change steps or the learner's block (SacSettings.train_every, "
                    "QLearning.train_every, OnPolicySettings.batch)"
                )
        self.width, self.actions = width, actions
        self._constraints, self._share = constraints, total // width

    def numbers(self, step: Int[Array, ""]) -> Int[Array, " copies"]:
        """The steps of all copies in the vector step that begins at `step` of the run."""
        return jnp.arange(self.width) * self._share + step // self.width

    def memory(self, intervention: Intervention) -> Memory:
        def begun(number: Int[Array, ""]) -> PerEnvironment:
            fresh = Progress.begin(no_costs(self._constraints))
            progress = dataclasses.replace(fresh, step=number, episode=number)
            return PerEnvironment(jax.tree.map(jnp.asarray, intervention.init()), progress)

        return jax.vmap(begun)(self.numbers(jnp.int32(0)))

    def example(self, several: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf[0], several)

    def outcome(self, observation: Observation) -> Timestep:
        names = self._constraints
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
        self, actors: Any, policy_snapshot: Any, state: RunState, happened: Happened
    ) -> tuple[RunState, Transition, Record]:
        def count(counts: PyTree, happened) -> tuple[PyTree, None]:
            return actors[2].add(counts, None, *happened), None

        each = jax.vmap(
            functools.partial(
                make_transition_for, actors, policy_snapshot, state.key, actions=self.actions
            )
        )
        own, transition, record = each(state.memory, happened)
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
            state, observation=happened[2].observation, memory=own, counts=counts, progress=progress
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

        running = under_way(state)
        own = jax.vmap(one)(running, state.memory, after.memory)
        episode = state.progress.episode + running.sum(dtype=jnp.int32)
        progress = dataclasses.replace(state.progress, episode=episode)
        return dataclasses.replace(state, memory=own, progress=progress)


def first_keys(key: Key[Array, ""], width: int) -> Key[Array, " copies"]:
    """The keys of the first episodes; the first copy begins as a single environment does."""
    first = stream(key, "first reset")
    return jnp.stack([first, *(stream(first, "copy", i) for i in range(1, width))])


def under_way(state: RunState) -> Bool[Array, " copies"]:
    """In which copies an episode is under way."""
    return state.memory.progress.so_far.steps > 0


@functools.partial(jax.jit, static_argnames="name")
def keys_of(key: Key[Array, ""], numbers: Int[Array, "..."], name: str) -> Key[Array, "..."]:
    """A key of this stream for each number."""
    keys = jax.vmap(lambda number: stream(key, name, number))(numbers.ravel())
    return keys.reshape(numbers.shape)
