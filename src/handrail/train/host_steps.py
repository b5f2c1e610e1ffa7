"""The steps of a block on the host: one call on the device for each.

Whatever is constant during a block and whatever goes from step to step are passed as flat lists
of arrays, because taking trees of modules apart would take longer than the call itself.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from handrail.envs.host import AbstractHostEnvironment
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.rng import stream
from handrail.train.compiled import RunState
from handrail.train.step import Record, conclude, decide, zeros_like
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

    def _compiled(self, fixed: PyTree, state: RunState) -> Any:
        """(first, middle, last) calls of a block, on flat lists of arrays."""
        _, fixed_tree = jax.tree.flatten(fixed)
        structures: dict[str, Any] = {}

        def actors_and_prepared(leaves):
            arrays, prepared = jax.tree.unflatten(fixed_tree, leaves)
            return eqx.combine(arrays, self._static), eqx.combine(prepared, self._layout[1])

        def asked(actors, prepared, state):
            """What goes on, the action, and the keys of the environment's step and reset."""
            context, decision = self._decided(actors, state, prepared)
            half = Halfway(state, context, decision)
            leaves, structures["half"] = jax.tree.flatten(half)
            key, step = state.key, state.progress.step
            keys = stream(key, "environment", step), stream(key, "reset", step)
            return leaves, decision.action, keys

        def answered(actors, prepared, leaves, rows, timestep):
            half = jax.tree.unflatten(structures["half"], leaves)
            state, *happened = self._concluded(
                actors, half.state, prepared, half.context, half.decision, Timestep(*timestep)
            )
            index = half.state.progress.step % self._block
            written, structures["row"] = jax.tree.flatten(tuple(happened))
            rows = [all.at[index].set(one) for all, one in zip(rows, written, strict=True)]
            return state, rows

        def first(leaves, state):
            actors, prepared = actors_and_prepared(leaves)
            last = _shape_of_timestep(state.observation)
            row = jax.eval_shape(lambda s, t: self._one(actors, s, prepared, t)[1:], state, last)
            rows = jax.tree.leaves(zeros_like(row, self._block))
            return *asked(actors, prepared, state), rows

        def middle(leaves, half, rows, timestep, fresh):
            actors, prepared = actors_and_prepared(leaves)
            state, rows = answered(actors, prepared, half, rows, timestep)
            if fresh is not None:
                state = dataclasses.replace(state, observation=fresh)
            return *asked(actors, prepared, state), rows

        def last(leaves, half, rows, timestep):
            actors, prepared = actors_and_prepared(leaves)
            state, rows = answered(actors, prepared, half, rows, timestep)
            return state, *jax.tree.unflatten(structures["row"], rows)

        # The rows are donated, so that they are written in place.
        return jax.jit(first), jax.jit(middle, donate_argnums=(2,)), jax.jit(last)

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
            self._calls = self._compiled(fixed, held)
        first, middle, last = self._calls
        leaves = jax.tree.leaves(fixed)
        timestep: Any = None
        fresh: Any = None
        half, action, (key, reset_key), rows = first(leaves, held)
        for left in range(self._block - 1, -1, -1):
            timestep = _on_host(environment.step(np.asarray(action), key=key))
            ended = timestep[3] or timestep[4]
            fresh = environment.reset(key=reset_key) if ended else None
            if left:
                half, action, (key, reset_key), rows = middle(leaves, half, rows, timestep, fresh)
        # `timestep` and `fresh` are those of the block's last step
        held, transitions, records = last(leaves, half, rows, timestep)
        observation = timestep[0] if fresh is None else fresh
        state = dataclasses.replace(held, observation=observation, **untouched)
        return state, transitions, records


def _on_host(timestep: Timestep) -> tuple[Any, np.float32, np.float32, np.bool_, np.bool_]:
    """The fields of a timestep, of types that never change, so that nothing compiles again."""
    return (
        timestep.observation,
        np.float32(timestep.reward),
        np.float32(timestep.cost),
        np.bool_(timestep.terminated),
        np.bool_(timestep.truncated),
    )


def _shape_of_timestep(observation: Any) -> Timestep:
    zero, no = jnp.float32(0), jnp.array(False)
    return Timestep(observation, zero, zero, no, no)


def _same(layout: Any, other: Any) -> bool:
    return layout[0] == other[0] and bool(eqx.tree_equal(layout[1], other[1]))
