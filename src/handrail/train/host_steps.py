"""The steps of a block on the host: one call on the device for each.

What is constant during a block is passed as a flat list of arrays and what goes from step to step
as one vector for each dtype, because taking trees of modules apart, and handing over dozens of
small arrays, would take longer than the computation.
"""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from handrail.dispatch import one_after_another
from handrail.envs.host import AbstractHostEnvironment
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.packing import Packing
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.step import Record, conclude, decide
from handrail.train.tally import AbstractTally
from handrail.types import Context, Decision, Timestep, Transition


class Halfway(eqx.Module):
    """Between a decision and what comes of it."""

    state: RunState
    context: Context
    decision: Decision


class HostSteps:
    """Acts for a block in an environment on the host, without learning."""

    def __init__(
        self,
        agent: AbstractAgent,
        intervention: Intervention,
        tally: AbstractTally,
        total: int,
    ):
        self._block, self._total = agent.block, total
        actors = (agent, intervention, tally)
        self._arrays, self._static = eqx.partition(actors, eqx.is_array)
        self._layout: Any = None  # of what the compiled functions were made for
        self._calls: Any = None

    # --- what is compiled ---------------------------------------------------------------------

    def one(
        self, state: RunState, prepared: Any, timestep: Timestep
    ) -> tuple[RunState, Transition, Record]:
        """A step whose outcome is `timestep`, after which no episode begins."""
        return self._one(eqx.combine(self._arrays, self._static), state, prepared, timestep)

    def _one(self, actors, state: RunState, prepared: Any, timestep: Timestep):
        context, decision = self._decided(actors, state, prepared)
        return self._concluded(actors, state, prepared, context, decision, timestep)

    def _happened(self, given, state: RunState, timestep: Timestep) -> tuple[Transition, Record]:
        actors, prepared = given
        _, transition, record = self._one(actors, state, prepared, timestep)
        return transition, record

    def _decided(self, actors, state: RunState, prepared: Any) -> tuple[Context, Decision]:
        agent, intervention, _ = actors
        return decide(
            agent, intervention, prepared, state.memory, state.observation, state.progress,
            total=self._total, key=state.key,
        )  # fmt: skip

    def _concluded(
        self, actors, state: RunState, prepared: Any, context, decision, timestep: Timestep
    ) -> tuple[RunState, Transition, Record]:
        agent, intervention, tally = actors
        memory, transition = conclude(
            agent, intervention, prepared, state.memory, context, decision, timestep,
            key=state.key,
        )  # fmt: skip
        counts = tally.add(state.counts, None, context, decision, timestep)
        ended = transition.terminated | transition.truncated
        record = Record(ended, state.progress.so_far.add(transition))
        state = dataclasses.replace(
            state,
            observation=timestep.observation,
            memory=memory,
            counts=counts,
            progress=state.progress.advance(transition),
        )
        return state, transition, record

    def _compile(self, fixed: PyTree, state: RunState) -> "_Calls":
        """The calls of a block for what looks like these."""
        fixed_tree, rest = jax.tree.structure(fixed), self._layout[1]

        def given(leaves):
            arrays, prepared = jax.tree.unflatten(fixed_tree, leaves)
            return eqx.combine(arrays, self._static), eqx.combine(prepared, rest)

        def halfway(actors, prepared, state) -> Halfway:
            return Halfway(state, *self._decided(actors, state, prepared))

        leaves = jax.tree.leaves(fixed)
        last = timestep_like(state.observation)
        outcome = Packing(last)
        half = Packing(jax.eval_shape(lambda x, s: halfway(*given(x), s), leaves, state))
        row = Packing(
            jax.eval_shape(lambda x, s, t: self._happened(given(x), s, t), leaves, state, last)
        )

        def asked(actors, prepared, state):
            """What goes on, and the action."""
            between = halfway(actors, prepared, state)
            return half.pack(between), between.decision.action

        def answered(actors, prepared, between, rows, timestep) -> tuple[RunState, list[Any]]:
            between = half.unpack(between)
            state, *happened = self._concluded(
                actors, between.state, prepared, between.context, between.decision,
                outcome.unpack(timestep),
            )  # fmt: skip
            index = between.state.progress.step % self._block
            write = jax.lax.dynamic_update_index_in_dim  # in place, where `.at` looks at all rows
            pairs = zip(rows, row.pack(tuple(happened)), strict=True)
            rows = [write(all, one, index, 0) for all, one in pairs]
            return state, rows

        def first(leaves, state):
            return asked(*given(leaves), state)

        def middle(leaves, between, rows, timestep, fresh):
            actors, prepared = given(leaves)
            state, rows = answered(actors, prepared, between, rows, timestep)
            if fresh is not None:
                state = dataclasses.replace(state, observation=fresh)
            return *asked(actors, prepared, state), rows

        def last_of_block(leaves, between, rows, timestep):
            state, rows = answered(*given(leaves), between, rows, timestep)
            return state, *row.unpack(rows)

        def empty():
            return row.zeros(self._block)

        # The rows are donated, so that they are written in place.
        options = one_after_another()
        return _Calls(
            outcome,
            jax.jit(empty),
            jax.jit(first, compiler_options=options),
            jax.jit(middle, compiler_options=options, donate_argnums=(2,)),
            jax.jit(last_of_block, compiler_options=options),
        )

    # --- what runs on the host ----------------------------------------------------------------

    def block(
        self, environment: AbstractHostEnvironment, state: RunState, prepared: Any
    ) -> tuple[RunState, Transition, Record]:
        """The state after a block; its transitions and records have a leading axis of the block.

        The agent's state and what else the steps do not touch are passed through.
        """
        untouched = {"environment": state.environment, "agent": state.agent}
        held = dataclasses.replace(state, environment=None, agent=None)
        arrays, rest = eqx.partition(prepared, eqx.is_array)
        fixed = (self._arrays, arrays)
        layout = jax.tree.structure(fixed), rest
        if self._layout is None or not _same(layout, self._layout):
            self._layout = layout
            self._calls = self._compile(fixed, held)
        calls = self._calls
        leaves, rows = jax.tree.leaves(fixed), calls.empty()
        timestep: Any = None
        fresh: Any = None
        packed: Any = None
        between, action = calls.first(leaves, held)
        step, key = state.progress.step, state.key
        # all at once: in the calls of the steps they would cost more than the policy
        for index, step_key in enumerate(_step_keys(key, step, self._block)):
            timestep = environment.step(np.asarray(action), key=step_key)
            ends = timestep.terminated, timestep.truncated
            fresh = environment.reset(key=_reset_key(key, step, index)) if any(ends) else None
            packed = calls.outcome.pack_on_host(
                (timestep.observation, timestep.reward, timestep.cost, *ends)
            )
            if index + 1 < self._block:
                between, action, rows = calls.middle(leaves, between, rows, packed, fresh)
        # `timestep` and `fresh` are those of the block's last step
        held, transitions, records = calls.last(leaves, between, rows, packed)
        observation = timestep.observation if fresh is None else fresh
        state = dataclasses.replace(held, observation=observation, **untouched)
        return state, transitions, records


@dataclasses.dataclass(frozen=True)
class _Calls:
    """The compiled calls of a block, and how an outcome is packed for them."""

    outcome: Packing
    empty: Any
    first: Any
    middle: Any
    last: Any


@functools.partial(jax.jit, static_argnames="count")
def _step_keys(key: Key[Array, ""], step: Int[Array, ""], count: int) -> Key[Array, " count"]:
    return jax.vmap(lambda n: stream(key, "environment", n))(step + jnp.arange(count))


@jax.jit
def _reset_key(
    key: Key[Array, ""], step: Int[Array, ""], index: int | Int[Array, ""]
) -> Key[Array, ""]:
    return stream(key, "reset", step + index)


def _same(layout: Any, other: Any) -> bool:
    return layout[0] == other[0] and bool(eqx.tree_equal(layout[1], other[1]))


def timestep_like(observation: Any) -> Timestep:
    """A step that reaches such an observation, as the device sees it."""
    zero, no = jnp.zeros(()), jnp.array(False)
    return Timestep(jax.tree.map(jnp.asarray, observation), zero, zero, no, no)
