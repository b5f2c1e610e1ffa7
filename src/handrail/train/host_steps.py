"""The steps of a block on the host: one call on the device for each vector step.

What is constant during a block is passed as a flat list of arrays and what goes from step to step
as one vector for each dtype, because taking trees of modules apart, and handing over dozens of
small arrays, would take longer than the computation.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from handrail.core.jax_setup import sequential_cpu_options
from handrail.core.packing import Packing
from handrail.core.types import Context, Decision, Timestep, Transition
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.train.compiled import RunState
from handrail.train.step import Record
from handrail.train.step_statistics import AbstractStepStatistics
from handrail.train.stepper import AbstractStepper


class Halfway(eqx.Module):
    """Between a decision and what comes of it."""

    state: RunState
    context: Context
    decision: Decision


class HostSteps:
    """Acts for a block in environments on the host, without learning."""

    def __init__(
        self,
        agent: AbstractAgent,
        intervention: Intervention,
        statistics: AbstractStepStatistics,
        total: int,
        stepper: AbstractStepper,
    ):
        self._block, self._total, self._stepper = agent.train_every, total, stepper
        self._count = agent.train_every // stepper.width
        actors = (agent, intervention, statistics)
        self._arrays, self._static = eqx.partition(actors, eqx.is_array)
        self._layout: Any = None  # of what the compiled functions were made for
        self._calls: Any = None

    # --- what is compiled ---------------------------------------------------------------------

    def one(
        self, state: RunState, policy_snapshot: Any, outcome: Timestep
    ) -> tuple[RunState, Transition, Record]:
        """A vector step with this outcome, after which no episode begins."""
        return self._one(eqx.combine(self._arrays, self._static), state, policy_snapshot, outcome)

    def _one(self, actors, state: RunState, policy_snapshot: Any, outcome: Timestep):
        stepper = self._stepper
        decided = stepper.decide(actors, policy_snapshot, state, total=self._total)
        return stepper.make_transition(actors, policy_snapshot, state, (*decided, outcome))

    def _happened(self, given, state: RunState, outcome: Timestep) -> tuple[Transition, Record]:
        actors, policy_snapshot = given
        _, transition, record = self._one(actors, state, policy_snapshot, outcome)
        return transition, record

    def _compile(self, fixed: PyTree, state: RunState) -> "_Calls":
        """The calls of a block for what looks like these."""
        fixed_tree, rest = jax.tree.structure(fixed), self._layout[1]
        stepper, count = self._stepper, self._count

        def given(leaves):
            arrays, policy_snapshot = jax.tree.unflatten(fixed_tree, leaves)
            return eqx.combine(arrays, self._static), eqx.combine(policy_snapshot, rest)

        def halfway(actors, policy_snapshot, state) -> Halfway:
            decided = stepper.decide(actors, policy_snapshot, state, total=self._total)
            return Halfway(state, *decided)

        leaves = jax.tree.leaves(fixed)
        last = stepper.outcome(state.observation)
        outcome = Packing(last)
        half = Packing(jax.eval_shape(lambda x, s: halfway(*given(x), s), leaves, state))
        row = Packing(
            jax.eval_shape(lambda x, s, t: self._happened(given(x), s, t), leaves, state, last)
        )

        def asked(actors, policy_snapshot, state):
            """What goes on, and the action."""
            between = halfway(actors, policy_snapshot, state)
            return half.pack(between), between.decision.applied

        def answered(
            actors, policy_snapshot, between, rows, timestep
        ) -> tuple[RunState, list[Any]]:
            between = half.unpack(between)
            happened = between.context, between.decision, outcome.unpack(timestep)
            state, *told = stepper.make_transition(actors, policy_snapshot, between.state, happened)
            index = between.state.progress.step // stepper.width % count
            write = jax.lax.dynamic_update_index_in_dim  # in place, where `.at` looks at all rows
            pairs = zip(rows, row.pack(tuple(told)), strict=True)
            rows = [write(all, one, index, 0) for all, one in pairs]
            return state, rows

        def first(leaves, state):
            return asked(*given(leaves), state)

        def middle(leaves, between, rows, timestep, fresh):
            actors, policy_snapshot = given(leaves)
            state, rows = answered(actors, policy_snapshot, between, rows, timestep)
            if fresh is not None:
                state = dataclasses.replace(state, observation=fresh)
            return *asked(actors, policy_snapshot, state), rows

        def last_of_block(leaves, between, rows, timestep):
            state, rows = answered(*given(leaves), between, rows, timestep)
            return state, *stepper.in_order(row.unpack(rows))

        def empty():
            return row.zeros(count)

        # The rows are donated, so that they are written in place.
        options = sequential_cpu_options()
        return _Calls(
            outcome,
            jax.jit(empty),
            jax.jit(first, compiler_options=options),
            jax.jit(middle, compiler_options=options, donate_argnums=(2,)),
            jax.jit(last_of_block, compiler_options=options),
        )

    # --- what runs on the host ----------------------------------------------------------------

    def block(self, state: RunState, policy_snapshot: Any) -> tuple[RunState, Transition, Record]:
        """The state after a block; its transitions and records have a leading axis of the block.

        The agent's state and what else the steps do not touch are passed through.
        """
        untouched = {"environment": state.environment, "agent": state.agent}
        held = dataclasses.replace(state, environment=None, agent=None)
        arrays, rest = eqx.partition(policy_snapshot, eqx.is_array)
        fixed = (self._arrays, arrays)
        layout = jax.tree.structure(fixed), rest
        if self._layout is None or not _same(layout, self._layout):
            self._layout = layout
            self._calls = self._compile(fixed, held)
        calls, stepper = self._calls, self._stepper
        leaves, rows = jax.tree.leaves(fixed), calls.empty()
        outcome: Any = None
        fresh: Any = None
        packed: Any = None
        between, action = calls.first(leaves, held)
        step, key = state.progress.step, state.key
        # all at once: in the calls of the steps they would cost more than the policy
        for index, step_key in enumerate(stepper.step_keys(key, step, self._block)):
            outcome, fresh = stepper.move(np.asarray(action), step_key, key, step, index)
            packed = calls.outcome.pack_on_host(outcome)
            if index + 1 < self._count:
                between, action, rows = calls.middle(leaves, between, rows, packed, fresh)
        # `outcome` and `fresh` are those of the block's last vector step
        held, transitions, records = calls.last(leaves, between, rows, packed)
        observation = outcome.observation if fresh is None else fresh
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


def _same(layout: Any, other: Any) -> bool:
    return layout[0] == other[0] and bool(eqx.tree_equal(layout[1], other[1]))
