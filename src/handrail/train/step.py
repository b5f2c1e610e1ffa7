"""The one place where a decision is made: propose → decide → step → store.

Both loops, compiled and host, are made of these functions, so they cannot drift apart.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent, Clock
from handrail.rng import stream
from handrail.types import Context, Decision, Memory, Observation, Timestep, Transition


class EpisodeSoFar(eqx.Module):
    """Undiscounted sums over the episode in progress."""

    steps: Int[Array, ""]
    reward: Float[Array, ""]
    cost: Float[Array, ""]
    interventions: Int[Array, ""]

    @staticmethod
    def begin() -> "EpisodeSoFar":
        return EpisodeSoFar(jnp.int32(0), jnp.float32(0), jnp.float32(0), jnp.int32(0))

    def add(self, transition: Transition) -> "EpisodeSoFar":
        return EpisodeSoFar(
            self.steps + 1,
            self.reward + transition.reward,
            self.cost + transition.cost,
            self.interventions + transition.intervened.astype(jnp.int32),
        )


class Progress(eqx.Module):
    """Where the run is, with its totals; the cost is undiscounted."""

    step: Int[Array, ""]
    episode: Int[Array, ""]
    cost: Float[Array, ""]
    interventions: Int[Array, ""]
    so_far: EpisodeSoFar

    @staticmethod
    def begin() -> "Progress":
        zero = jnp.int32(0)
        return Progress(zero, zero, jnp.float32(0), zero, EpisodeSoFar.begin())

    def clock(self, total: int) -> Clock:
        """The clock of a run of `total` steps."""
        return Clock(self.step, self.step.astype(jnp.float32) / total)

    def advance(self, transition: Transition) -> "Progress":
        """After a step; an ended episode gives way to an empty one."""
        ended = transition.terminated | transition.truncated
        after = self.so_far.add(transition)
        fresh = EpisodeSoFar.begin()
        so_far = jax.tree.map(lambda new, old: jnp.where(ended, new, old), fresh, after)
        return Progress(
            step=self.step + 1,
            episode=self.episode + ended.astype(jnp.int32),
            cost=self.cost + transition.cost,
            interventions=self.interventions + transition.intervened.astype(jnp.int32),
            so_far=so_far,
        )


class Record(eqx.Module):
    """What one step reports. Learners never read it."""

    ended: Bool[Array, ""]
    episode: EpisodeSoFar  # including this step


def decide(
    agent: AbstractAgent,
    intervention: Intervention,
    prepared: Any,
    memory: Memory,
    observation: Observation,
    progress: Progress,
    *,
    total: int,
    key: Key[Array, ""],
) -> tuple[Context, Decision]:
    """What the learner proposes and what will be executed."""
    clock = progress.clock(total)
    proposal = agent.propose(
        prepared, observation, clock, key=stream(key, "propose", progress.step)
    )
    context = Context(
        observation=observation,
        proposed=proposal.action,
        extras=proposal.extras,
        step=progress.step,
        episode=progress.episode,
        episode_step=progress.so_far.steps,
        episode_cost=progress.so_far.cost,
        progress=clock.progress,
    )
    decision = intervention(context, memory, key=stream(key, "intervene", progress.step))
    return context, decision


def settle(
    agent: AbstractAgent,
    intervention: Intervention,
    prepared: Any,
    state: PyTree,
    memory: Memory,
    context: Context,
    decision: Decision,
    timestep: Timestep,
    *,
    total: int,
    key: Key[Array, ""],
) -> tuple[PyTree, Memory, Transition]:
    """Everything that is learnt from a step at once: the transition is stored and remembered."""
    weight, extras = agent.complete(prepared, context, decision)
    transition = Transition(
        observation=context.observation,
        proposed=context.proposed,
        action=decision.action,
        reward=timestep.reward,
        cost=timestep.cost,
        next_observation=timestep.observation,
        terminated=timestep.terminated,
        truncated=timestep.truncated,
        intervened=decision.intervened,
        weight=weight,
        extras=extras,
    )
    memory = intervention.observe(
        memory, context, transition, key=stream(key, "remember", context.step)
    )
    clock = Clock(context.step + 1, (context.step + 1).astype(jnp.float32) / total)
    return agent.observe(state, transition, clock), memory, transition
