"""The compiled loop: environment, decision, replay and update in one scan."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.renamed import takes_old_names
from handrail.core.rng import stream
from handrail.core.types import Memory, Observation, Timestep, Transition
from handrail.envs.base import AbstractEnvironment, zero_action
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.train.step import (
    Progress,
    Record,
    check_fit,
    decide,
    example_transition,
    make_transition,
    store,
    store_block,
    zeros_like,
)
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics


class RunState(eqx.Module):
    """A run between two blocks: one pytree, so that saving and moving it needs no special case."""

    environment: PyTree
    observation: Observation
    agent: PyTree
    memory: Memory
    counts: PyTree
    progress: Progress
    key: Key[Array, ""]
    pending: Any = None  # the last block's transitions, if they are to be learnt from late


@takes_old_names({"tally": "statistics"})
class Loop(eqx.Module):
    """An agent in an environment under an intervention, for `total` steps.

    Statistics count what a report needs; learners never see it. All randomness comes from
    the run's key by named streams, so that a run cut anywhere between two blocks continues
    with the same bytes.

    Updates are due at the end of each block. With `delayed` they come one block later, as in a
    host loop that learns while it goes on stepping: a block is acted on with the parameters from
    before its predecessor was learnt from, and learning sees the replay as of the block's start.
    """

    environment: AbstractEnvironment
    agent: AbstractAgent
    intervention: Intervention
    total: int = eqx.field(static=True)
    statistics: AbstractStepStatistics = NOTHING
    delayed: bool = eqx.field(static=True, default=False)
    runs: str | None = eqx.field(static=True, default=None)
    """The axis of runs, where it is one of several that are computed together."""

    def __check_init__(self):
        check_delay(self.agent, delayed=self.delayed)
        check_compiled_fit(self)

    def init(self, *, key: Key[Array, ""]) -> RunState:
        """The state before the first step."""
        # as one program: compiling its operations one by one takes seconds
        reset = eqx.filter_jit(lambda environment, key: environment.reset(key=key))
        state, observation = reset(self.environment, stream(key, "first reset"))
        example = self._example(state, observation, key)
        memory = self.intervention.init()
        return first_state(self, state, observation, example, memory, key=key)

    def _example(self, state: PyTree, observation: Observation, key: Key[Array, ""]) -> Transition:
        """A transition of zeros with the shapes and dtypes of this problem, without extras."""
        action = zero_action(self.environment.actions)
        timestep = jax.eval_shape(lambda: self.environment.step(state, action, key=key)[1])
        return example_transition(observation, action, timestep)

    def shape_of_step(self, state: RunState) -> Transition:
        """What one step would store; evaluated for its shapes alone."""
        return self._move(state, self.agent.prepare(state.agent, key=state.key))[2]

    @eqx.filter_jit
    def blocks(
        self, state: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, Array]]:
        """`count` blocks of steps, each with one call of `agent.learn` if `learn`.

        Returns the state, the records of every step (leading axis `count · block`) and the
        metrics of every block (leading axis `count`). It is compiled once for each `count` and
        `learn`.
        """

        def one_block(state: RunState, _):
            prepare = stream(state.key, "prepare", state.progress.step)
            policy_snapshot = self.agent.prepare(state.agent, key=prepare)
            return (self._late if self.delayed else self._prompt)(state, policy_snapshot, learn)

        state, (records, metrics) = jax.lax.scan(one_block, state, length=count)
        return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), records), metrics

    def _prompt(self, state: RunState, policy_snapshot: Any, learn: bool):
        """A block that is learnt from at its end."""
        key = stream(state.key, "learn", state.progress.step)
        state, records = jax.lax.scan(
            lambda s, _: self.step(s, policy_snapshot), state, length=self.agent.train_every
        )
        if not learn:
            return state, (records, {})
        clock = state.progress.clock(self.total)
        agent, metrics = self.agent.learn(state.agent, policy_snapshot, clock, key=key)
        return eqx.tree_at(lambda s: s.agent, state, agent), (records, metrics)

    def _late(self, state: RunState, policy_snapshot: Any, learn: bool):
        """A block during which its predecessor is learnt from."""
        begin = state.progress.step
        agent = store_block(self.agent, state.agent, state.pending, begin, total=self.total)
        metrics: dict[str, Array] = {}
        if learn:
            clock, key = state.progress.clock(self.total), stream(state.key, "learn", begin)
            agent, metrics = self.agent.learn(agent, policy_snapshot, clock, key=key)

        def step(state: RunState, _):
            state, record, transition = self._move(state, policy_snapshot)
            return state, (record, transition)

        held = dataclasses.replace(state, agent=None, pending=None)
        held, (records, pending) = jax.lax.scan(step, held, length=self.agent.train_every)
        return dataclasses.replace(held, agent=agent, pending=pending), (records, metrics)

    def step(self, state: RunState, policy_snapshot: Any) -> tuple[RunState, Record]:
        """One environment step, with a reset where the episode ended; its transition is stored."""
        before = state.progress.step
        state, record, transition = self._move(state, policy_snapshot)
        agent = store(self.agent, state.agent, transition, before, total=self.total)
        return dataclasses.replace(state, agent=agent), record

    def _move(self, state: RunState, policy_snapshot: Any) -> tuple[RunState, Record, Transition]:
        """One environment step whose transition is not yet stored."""
        progress, key = state.progress, state.key
        context, decision = decide(
            self.agent, self.intervention, policy_snapshot, state.memory, state.observation,
            progress,
            clock=progress.clock(self.total), key=key,
        )  # fmt: skip
        environment, timestep = self.environment.step(
            state.environment, decision.applied, key=stream(key, "environment", progress.step)
        )
        memory, transition = make_transition(
            self.agent, self.intervention, policy_snapshot, state.memory, context, decision,
            timestep,
            key=key,
        )  # fmt: skip
        counts = self.statistics.add(state.counts, state.environment, context, decision, timestep)
        ended = transition.terminated | transition.truncated
        actions = self.environment.actions
        record = Record.of(progress, decision, transition, self.intervention, actions)
        environment, observation = self._begun_again(
            ended,
            (environment, timestep.observation),
            lambda: self.environment.reset(key=stream(key, "reset", progress.step)),
        )
        state = RunState(
            environment, observation, state.agent, memory, counts, progress.advance(transition),
            key, state.pending,
        )  # fmt: skip
        return state, record, transition

    def _begun_again(
        self,
        ended: Bool[Array, ""],
        reached: tuple[PyTree, Observation],
        reset: Callable[[], tuple[PyTree, Observation]],
    ) -> tuple[PyTree, Observation]:
        """A new episode where one has ended. A reset costs as much as a step, or far more: it is
        computed where it is needed, among several runs where any of them needs it.
        """
        if self.runs is None:
            return jax.lax.cond(ended, reset, lambda: reached)

        def where_ended() -> tuple[PyTree, Observation]:
            return jax.tree.map(lambda new, old: jnp.where(ended, new, old), reset(), reached)

        any_ended = jax.lax.pmax(ended.astype(jnp.int32), self.runs) > 0
        return jax.lax.cond(any_ended, where_ended, lambda: reached)


def first_state(
    loop: Any,
    environment: PyTree,
    observation: Observation,
    example: Transition,
    memory: Memory,
    *,
    key: Key[Array, ""],
) -> RunState:
    """The state of a loop, compiled or on the host, before its first step."""
    first = RunState(
        environment=environment,
        observation=observation,
        agent=loop.agent.init(example, key=stream(key, "agent")),
        memory=memory,
        counts=loop.statistics.init(),
        progress=Progress.begin(example.constraints),
        key=key,
    )
    if not loop.delayed:
        return first
    transition = eqx.filter_eval_shape(loop.shape_of_step, first)
    return dataclasses.replace(first, pending=zeros_like(transition, loop.agent.train_every))


def check_compiled_fit(loop: Any) -> None:
    """Refuses, before the first step, an intervention that does not fit a compiled environment."""
    environment = loop.environment
    observation = jax.eval_shape(lambda k: environment.reset(key=k)[1], jax.random.key(0))
    zero, no = jnp.zeros(()), jnp.array(False)
    reached = Timestep(observation, zero, zero, no, no)
    example = example_transition(observation, zero_action(environment.actions), reached)
    seen = example.observation
    check_fit(loop.agent, loop.intervention, environment.actions, example, seen, total=loop.total)


def check_delay(agent: AbstractAgent, *, delayed: bool) -> None:
    """Refuses to learn late from the beginning, when there is nothing yet to learn from."""
    if delayed and agent.learning_starts < agent.train_every:
        raise HandrailError(
            f"learning_starts is {agent.learning_starts}, less than a block of {agent.train_every} "
            "steps: a loop that learns late has nothing to learn from in the first block"
        )
