"""The compiled loop over several environments: one scan of vector steps, then one call of `learn`.

The counterpart of a `HostLoop` over a vector: the same decisions on the same keys. It suits
on-policy agents, whose batch all environments fill together.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Observation, Transition
from handrail.envs.base import AbstractEnvironment, zero_action
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.train.compiled import RunState, check_compiled_fit, first_state
from handrail.train.side_by_side import SideBySide, first_keys, keys_of
from handrail.train.step import Record, example_transition, store_block
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics


class VectorLoop(eqx.Module):
    """An agent in `copies` environments of one kind under an intervention, for `total` steps.

    Steps are those of all environments together. A block is a number of vector steps, in each of
    which all are decided for at once; it is stored and learnt from when it is complete, in the
    order of its vector steps. `RunState.memory` holds what each environment has of its own
    (`PerEnvironment`). All randomness comes from the run's key by named streams, so a run cut
    anywhere between two blocks continues with the same bytes. Raises `HandrailError` where block
    or run are no multiple of `copies`.
    """

    environment: AbstractEnvironment
    agent: AbstractAgent
    intervention: Intervention
    total: int = eqx.field(static=True)
    copies: int = eqx.field(static=True)
    statistics: AbstractStepStatistics = eqx.field(default=NOTHING, init=False)
    delayed: bool = eqx.field(static=True, default=False, init=False)

    def __check_init__(self):
        self._side()
        check_compiled_fit(self)

    def init(self, *, key: Key[Array, ""]) -> RunState:
        """The state before the first step."""
        reset = eqx.filter_jit(_reset_all)
        states, observations = reset(self.environment, first_keys(key, self.copies))
        state, observation = jax.tree.map(lambda leaf: leaf[0], (states, observations))
        action = zero_action(self.environment.actions)
        timestep = jax.eval_shape(lambda: self.environment.step(state, action, key=key)[1])
        example = example_transition(observation, action, timestep)
        memory = self._side().memory(self.intervention)
        return first_state(self, states, observations, example, memory, key=key)

    @eqx.filter_jit
    def blocks(
        self, state: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, Array]]:
        """`count` blocks of steps, each with one call of `agent.learn` if `learn`.

        Returns the state, the records of every step (leading axis `count · block`) and the
        metrics of every block (leading axis `count`), like `Loop.blocks`.
        """

        def one_block(state: RunState, _):
            return self._block(state, learn)

        state, (records, metrics) = jax.lax.scan(one_block, state, length=count)
        return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), records), metrics

    def _block(self, state: RunState, learn: bool):
        begin, key, side = state.progress.step, state.key, self._side()
        snapshot = self.agent.prepare(state.agent, key=stream(key, "prepare", begin))

        def step(held: RunState, _):
            held, transition, record = self._step(held, snapshot)
            return held, (transition, record)

        held = dataclasses.replace(state, agent=None)
        length = self.agent.train_every // self.copies
        held, rows = jax.lax.scan(step, held, length=length)
        transitions, records = side.in_order(rows)
        agent = store_block(
            self.agent, state.agent, transitions, held.progress.step, total=self.total
        )
        metrics: dict[str, Array] = {}
        if learn:
            clock, key = held.progress.clock(self.total), stream(key, "learn", begin)
            agent, metrics = self.agent.learn(agent, snapshot, clock, key=key)
        return dataclasses.replace(held, agent=agent), (records, metrics)

    def _step(self, state: RunState, snapshot: Any) -> tuple[RunState, Transition, Record]:
        """A vector step, with resets where episodes ended; nothing is stored."""
        actors, side = (self.agent, self.intervention, self.statistics), self._side()
        numbers = side.numbers(state.progress.step)
        context, decision = side.decide(actors, snapshot, state, total=self.total)
        move = jax.vmap(lambda world, action, key: self.environment.step(world, action, key=key))
        worlds, timestep = move(
            state.environment, decision.action, keys_of(state.key, numbers, "environment")
        )
        happened = context, decision, timestep
        after, transition, record = side.make_transition(actors, snapshot, state, happened)
        ended = transition.terminated | transition.truncated

        def begun() -> tuple[PyTree, Observation]:
            fresh = _reset_all(self.environment, keys_of(state.key, numbers, "reset"))
            return _where(ended, fresh, (worlds, timestep.observation))

        worlds, observation = jax.lax.cond(  # a reset costs as much as a step
            jnp.any(ended), begun, lambda: (worlds, timestep.observation)
        )
        after = dataclasses.replace(after, environment=worlds, observation=observation)
        return after, transition, record

    def _side(self) -> SideBySide:
        environment = self.environment
        return SideBySide(
            self.copies, environment.actions, environment.constraints,
            total=self.total, block=self.agent.train_every,
        )  # fmt: skip


def _reset_all(environment: AbstractEnvironment, keys: Key[Array, " copies"]):
    return jax.vmap(lambda key: environment.reset(key=key))(keys)


def _where(chosen: Bool[Array, " copies"], new: PyTree, old: PyTree) -> PyTree:
    """For each copy its part of `new` where it is chosen, else of `old`."""

    def each(one: Array, other: Array) -> Array:
        return jnp.where(chosen.reshape(-1, *[1] * (one.ndim - 1)), one, other)

    return jax.tree.map(each, new, old)
