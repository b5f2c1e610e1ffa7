"""Whole episodes in a compiled environment: one scan, all episodes at once."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from handrail.core.rng import stream
from handrail.core.types import Timestep, Transition
from handrail.envs.base import AbstractEnvironment
from handrail.train.rollout.base import (
    EpisodeIntervention,
    Episodes,
    Moment,
    RolloutPolicy,
    StepRecord,
    Steps,
    begin,
    unassisted,
)
from handrail.train.step import judge


def rollout(
    environment: AbstractEnvironment,
    policy: RolloutPolicy,
    intervention: EpisodeIntervention = unassisted,
    *,
    keys: Key[Array, " episodes"],
    moment: Moment | None = None,
    record: StepRecord | None = None,
    outcome: Callable[[PyTree, Timestep], PyTree] | None = None,
) -> Episodes:
    """Runs an episode of at most `environment.episode_length` steps with each key.

    Compile it as a part of what is done with the result: it is not compiled by itself.

    Args:
        environment: compiled.
        policy: what is proposed.
        intervention: WHEN × WHAT in each episode; none by default.
        keys: all that is random in an episode comes from its key.
        moment: of a run, from which every episode begins; by default the beginning of one.
        record: what is kept of every decision.
        outcome: what is kept of every step's state of the environment and timestep, after it.

    Returns:
        The sums and, with `record` or `outcome`, the steps.
    """

    def episode(number: Int[Array, ""], key: Key[Array, ""]):
        acting = intervention(key, number)
        world, observation = environment.reset(key=stream(key, "reset"))
        memory, progress = begin(acting, number, moment)

        def step(carry: Any, index: Int[Array, ""]):
            world, observation, memory, progress, running, terminated = carry
            proposal = policy(observation, progress, key)
            done = jnp.float32(0) if moment is None else progress.clock(moment.total).progress
            context, decision = judge(
                acting, proposal, memory, observation, progress, share_done=done, key=key
            )
            world, timestep = environment.step(
                world, decision.applied, key=stream(key, "step", index)
            )
            transition = Transition.of(context, decision, timestep)
            remember = stream(key, "remember", context.step)
            memory = acting.observe(memory, context, transition, key=remember)
            row = None
            if record is not None or outcome is not None:
                kept = None if record is None else record(key, context, decision)
                after = None if outcome is None else outcome(world, timestep)
                row = (running, timestep.reward, timestep.cost, kept, after)
            so_far = jax.tree.map(
                lambda new, old: jnp.where(running, new, old),
                progress.so_far.add(transition), progress.so_far,
            )  # fmt: skip
            progress = dataclasses.replace(
                progress, step=progress.step + running.astype(jnp.int32), so_far=so_far
            )
            terminated |= running & timestep.terminated
            running &= ~(timestep.terminated | timestep.truncated)
            return (world, timestep.observation, memory, progress, running, terminated), row

        carry = (world, observation, memory, progress, jnp.array(True), jnp.array(False))
        (*_, progress, _, terminated), rows = jax.lax.scan(
            step, carry, jnp.arange(environment.episode_length)
        )
        return progress.so_far, terminated, rows

    sums, terminated, rows = jax.vmap(episode)(jnp.arange(len(keys)), keys)
    return Episodes(
        sums.reward, sums.cost, sums.steps, None, sums.interventions, terminated,
        None if rows is None else Steps(*rows),
    )  # fmt: skip
