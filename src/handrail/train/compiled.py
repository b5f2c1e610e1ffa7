"""The compiled loop: environment, decision, replay and update in one scan."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.envs.base import AbstractEnvironment, zero_action
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.rng import stream
from handrail.train.step import Progress, Record, decide, settle
from handrail.train.tally import AbstractTally, NoTally
from handrail.types import Memory, Observation, Transition


class RunState(eqx.Module):
    """A run between two blocks: one pytree, so that saving and moving it needs no special case."""

    environment: PyTree
    observation: Observation
    agent: PyTree
    memory: Memory
    counts: PyTree
    progress: Progress
    key: Key[Array, ""]


class Loop(eqx.Module):
    """An agent in an environment under an intervention, for `total` steps.

    The tally counts what a report needs; learners never see it. All randomness comes from
    the run's key by named streams, so that a run cut anywhere between two blocks continues
    with the same bytes.
    """

    environment: AbstractEnvironment
    agent: AbstractAgent
    intervention: Intervention
    total: int = eqx.field(static=True)
    tally: AbstractTally = NoTally()

    def init(self, *, key: Key[Array, ""]) -> RunState:
        """The state before the first step."""
        state, observation = self.environment.reset(key=stream(key, "first reset"))
        memory = self.intervention.init()
        example = self._example(state, observation, key)
        return RunState(
            environment=state,
            observation=observation,
            agent=self.agent.init(example, key=stream(key, "agent")),
            memory=memory,
            counts=self.tally.init(),
            progress=Progress.begin(),
            key=key,
        )

    def _example(self, state: PyTree, observation: Observation, key: Key[Array, ""]) -> Transition:
        """A transition of zeros with the shapes and dtypes of this problem, without extras."""
        action = zero_action(self.environment.actions)

        def transition() -> Transition:
            _, timestep = self.environment.step(state, action, key=key)
            return Transition(
                observation=observation,
                proposed=action,
                action=action,
                reward=timestep.reward,
                cost=timestep.cost,
                next_observation=timestep.observation,
                terminated=timestep.terminated,
                truncated=timestep.truncated,
                intervened=jnp.array(False),
                weight=jnp.ones(()),
                extras={},
            )

        shapes = jax.eval_shape(transition)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def blocks(
        self, state: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, Array]]:
        """`count` blocks of steps, each with one call of `agent.learn` at its end if `learn`.

        Returns the state, the records of every step (leading axis `count · block`) and the
        metrics of every block (leading axis `count`).
        """

        def one_block(state: RunState, _):
            step = state.progress.step
            prepared = self.agent.prepare(state.agent, key=stream(state.key, "prepare", step))
            state, records = jax.lax.scan(
                lambda s, _: self.step(s, prepared), state, length=self.agent.block
            )
            if not learn:
                return state, (records, {})
            clock = state.progress.clock(self.total)
            key = stream(state.key, "learn", step)
            agent, metrics = self.agent.learn(state.agent, prepared, clock, key=key)
            return eqx.tree_at(lambda s: s.agent, state, agent), (records, metrics)

        state, (records, metrics) = jax.lax.scan(one_block, state, length=count)
        return state, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), records), metrics

    def step(self, state: RunState, prepared: Any) -> tuple[RunState, Record]:
        """One environment step, with a reset where the episode ended."""
        progress, key = state.progress, state.key
        context, decision = decide(
            self.agent, self.intervention, prepared, state.memory, state.observation, progress,
            total=self.total, key=key,
        )  # fmt: skip
        environment, timestep = self.environment.step(
            state.environment, decision.action, key=stream(key, "environment", progress.step)
        )
        agent, memory, transition = settle(
            self.agent, self.intervention, prepared, state.agent, state.memory, context, decision,
            timestep, total=self.total, key=key,
        )  # fmt: skip
        counts = self.tally.add(state.counts, state.environment, context, decision, timestep)
        ended = transition.terminated | transition.truncated
        record = Record(ended, progress.so_far.add(transition))
        fresh = self.environment.reset(key=stream(key, "reset", progress.step))
        environment, observation = jax.tree.map(
            lambda new, old: jnp.where(ended, new, old), fresh, (environment, timestep.observation)
        )
        state = RunState(
            environment, observation, agent, memory, counts, progress.advance(transition), key
        )
        return state, record
