"""Several environments of a host loop that are decided for and stepped together."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from handrail.envs.vector_host import AbstractVectorHost
from handrail.errors import HandrailError
from handrail.interventions.base import Intervention
from handrail.learners.base import Clock
from handrail.rng import stream
from handrail.train.alone import no_costs, timestep_like
from handrail.train.compiled import RunState
from handrail.train.formation import AbstractFormation, next_progress
from handrail.train.step import Progress, Record, conclude, decide
from handrail.types import Context, Decision, Memory, Observation, Timestep, Transition


class Copies(eqx.Module):
    """What each of several environments has of its own; leaves have a leading axis of them.

    In place of the one memory in `RunState`, whose `progress` has the totals and no episode.
    """

    memory: Memory
    progress: Progress


class SideBySide(AbstractFormation):
    """n environments: a wave is a step of each, in their order.

    Each has an intervention's memory and an episode of its own. The i-th numbers its steps and
    episodes from i · total / n on, whereas the learner's clock counts the steps of all: what goes
    on for some steps (a spell, a held action) does so in one environment, and no two environments
    draw from the same keys. One environment is what `Alone` is.
    """

    def __init__(self, environment: AbstractVectorHost, *, total: int, block: int):
        copies = environment.copies
        for what, steps in (("the agent's block", block), ("the whole run", total)):
            if steps % copies:
                raise HandrailError(
                    f"{copies} environments side by side, and {what} is {steps} steps; expected "
                    f"a multiple of {copies}: put another number of environments side by side, or "
                    "change steps or the learner's block (SacSettings.block, "
                    "QLearning.train_every)"
                )
        self._environment, self.actions = environment, environment.actions
        self.width, self._share = copies, total // copies

    # --- on the host --------------------------------------------------------------------------

    def begin(self, key: Key[Array, ""]) -> Observation:
        # the first copy begins as a single environment does
        first = stream(key, "first reset")
        keys = jnp.stack([first, *(stream(first, "copy", i) for i in range(1, self.width))])
        return self._environment.reset(np.ones(self.width, np.bool_), keys=keys)

    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        keys = _wave_keys(key, self._numbers(step), "resume")
        return self._environment.reset(np.ones(self.width, np.bool_), keys=keys)

    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        count = block // self.width
        if not self._environment.steps_draw:
            return itertools.repeat(_wave_keys(key, self._numbers(step), "environment"), count)
        waves = jnp.arange(count)[:, None]
        return _block_keys(key, self._numbers(step)[None] + waves)

    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], wave: int
    ) -> tuple[Any, Observation | None]:
        timestep = self._environment.step(action, keys=step_key)
        ended = timestep.terminated | timestep.truncated
        if not ended.any():
            return timestep, None
        keys = _wave_keys(key, self._numbers(step) + wave, "reset")
        return timestep, self._environment.reset(np.asarray(ended), keys=keys)

    def snapshot(self) -> dict[str, Any] | None:
        return self._environment.snapshot()

    def restore(self, snapshot: dict[str, Any]) -> Observation:
        return self._environment.restore(snapshot)

    def midway(self, state: RunState) -> bool:
        return bool(np.any(_under_way(state)))

    def _numbers(self, step: Int[Array, ""]) -> Int[Array, " copies"]:
        """The steps of all copies in the wave that begins at `step` of the run."""
        return jnp.arange(self.width) * self._share + step // self.width

    # --- compiled -----------------------------------------------------------------------------

    def memory(self, intervention: Intervention) -> Memory:
        def begun(number: Int[Array, ""]) -> Copies:
            fresh = Progress.begin(no_costs(self._environment.constraints))
            progress = dataclasses.replace(fresh, step=number, episode=number)
            return Copies(jax.tree.map(jnp.asarray, intervention.init()), progress)

        return jax.vmap(begun)(self._numbers(jnp.int32(0)))

    def example(self, wave: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf[0], wave)

    def outcome(self, observation: Observation) -> Timestep:
        names = self._environment.constraints
        return jax.vmap(lambda one: timestep_like(one, names))(observation)

    def decide(
        self, actors: Any, prepared: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        agent, intervention, _ = actors

        def one(place: Int[Array, ""], observation: Observation, copy: Copies):
            step = state.progress.step + place
            clock = Clock(step, step.astype(jnp.float32) / total)
            return decide(
                agent, intervention, prepared, copy.memory, observation, copy.progress,
                clock=clock, key=state.key,
            )  # fmt: skip

        return jax.vmap(one)(jnp.arange(self.width), state.observation, state.memory)

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

        def one(copy: Copies, context: Context, decision: Decision, timestep: Timestep):
            memory, transition = conclude(
                agent, intervention, prepared, copy.memory, context, decision, timestep,
                key=state.key,
            )  # fmt: skip
            progress, record = next_progress(copy.progress, decision, transition, self.actions)
            return Copies(memory, progress), transition, record

        def count(counts: PyTree, happened) -> tuple[PyTree, None]:
            return tally.add(counts, None, *happened), None

        copies, transition, record = jax.vmap(one)(state.memory, context, decision, timestep)
        counts, _ = jax.lax.scan(count, state.counts, (context, decision, timestep))
        before = state.progress
        progress = dataclasses.replace(
            before,
            step=before.step + self.width,
            episode=before.episode + record.ended.sum(dtype=jnp.int32),
            cost=before.cost + transition.cost.sum(),
            interventions=before.interventions + transition.intervened.sum(dtype=jnp.int32),
        )
        state = dataclasses.replace(
            state,
            observation=timestep.observation,
            memory=copies,
            counts=counts,
            progress=progress,
        )
        return state, transition, record

    def in_order(self, waves: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), waves)

    def cut_short(self, state: RunState, after: RunState) -> RunState:
        running = _under_way(state)

        def one(running, copy: Copies, concluded: Copies) -> Copies:
            progress = dataclasses.replace(
                copy.progress,
                episode=copy.progress.episode + running.astype(jnp.int32),
                so_far=copy.progress.so_far.anew(),
            )
            memory = jax.tree.map(
                lambda new, old: jnp.where(running, new, old), concluded.memory, copy.memory
            )
            return Copies(memory, progress)

        copies = jax.vmap(one)(running, state.memory, after.memory)
        episode = state.progress.episode + running.sum(dtype=jnp.int32)
        progress = dataclasses.replace(state.progress, episode=episode)
        return dataclasses.replace(state, memory=copies, progress=progress)


def _under_way(state: RunState) -> Array:
    """In which copies an episode is under way."""
    return state.memory.progress.so_far.steps > 0


@functools.partial(jax.jit, static_argnames="name")
def _wave_keys(
    key: Key[Array, ""], numbers: Int[Array, " copies"], name: str
) -> Key[Array, " copies"]:
    return jax.vmap(lambda number: stream(key, name, number))(numbers)


@jax.jit
def _block_keys(
    key: Key[Array, ""], numbers: Int[Array, "waves copies"]
) -> Key[Array, "waves copies"]:
    return jax.vmap(lambda wave: _wave_keys(key, wave, "environment"))(numbers)
