"""What a host loop asks of its environments: one by itself, or a vector of several.

A *vector step* is one decision for each of them. Blocks, keys of the learner, packing and the
second thread are the same for all and live in `HostLoop` and `HostSteps`; what is decided for an
environment and concluded of it is the same in both of `steppers`.
"""

import abc
import dataclasses
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.core.types import Context, Decision, Memory, Observation, Timestep, Transition
from handrail.envs.base import ActionSpace
from handrail.envs.host import AbstractHost
from handrail.interventions.base import Intervention
from handrail.train.compiled import RunState
from handrail.train.step import Progress, Record, make_transition

Happened = tuple[Context, Decision, Timestep]
"""What was decided in, what was decided, and what came of it."""


class PerEnvironment(eqx.Module):
    """What an environment has of its own; leaves of several have a leading axis of them."""

    memory: Memory
    progress: Progress


class AbstractStepper(abc.ABC):
    """The environments of a run, and what a vector step of them does.

    The first methods run on the host, the others are compiled. `actors` are the agent, the
    intervention and the statistics. Trees have a leading axis of environments where there are
    several.
    """

    width: int
    """How many environments there are, and so steps in a vector step."""
    actions: ActionSpace
    """Of one environment."""
    environment: AbstractHost

    # --- on the host --------------------------------------------------------------------------

    @abc.abstractmethod
    def begin(self, key: Key[Array, ""]) -> Observation:
        """The first episodes of a run with this key."""

    @abc.abstractmethod
    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        """Other episodes, at this step of the run: those that were under way are lost."""

    @abc.abstractmethod
    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        """What each vector step of the block that begins at `step` draws from."""

    @abc.abstractmethod
    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], index: int
    ) -> tuple[Any, Observation | None]:
        """What comes of a vector step, and what is observed next if an episode ended (else None).

        `index` counts the vector steps from 0 in the block that begins at `step`.
        """

    def snapshot(self) -> dict[str, Any] | None:
        """The episodes as arrays, if they can be saved."""
        return self.environment.snapshot()

    def restore(self, snapshot: dict[str, Any]) -> Observation:
        """Goes back to a snapshot."""
        return self.environment.restore(snapshot)

    @abc.abstractmethod
    def midway(self, state: RunState) -> bool:
        """Whether an episode is under way."""

    # --- compiled -----------------------------------------------------------------------------

    @abc.abstractmethod
    def memory(self, intervention: Intervention) -> Memory:
        """What is remembered at the beginning of a run."""

    @abc.abstractmethod
    def example(self, several: PyTree) -> PyTree:
        """What is one environment's of a tree that holds something of each."""

    @abc.abstractmethod
    def outcome(self, observation: Observation) -> Timestep:
        """A vector step that reaches such an observation, without reward, cost or end."""

    @abc.abstractmethod
    def decide(
        self, actors: Any, policy_snapshot: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        """The decisions of a vector step."""

    @abc.abstractmethod
    def make_transition(
        self, actors: Any, policy_snapshot: Any, state: RunState, happened: Happened
    ) -> tuple[RunState, Transition, Record]:
        """The state after a vector step, without the resets, and what is reported of it."""

    @abc.abstractmethod
    def in_order(self, rows: PyTree) -> PyTree:
        """The steps of a block one after another, from those of its vector steps."""

    @abc.abstractmethod
    def cut_short(self, state: RunState, after: RunState) -> RunState:
        """`state` without the episodes under way; `after` has concluded them as truncated."""


def make_transition_for(
    actors: Any,
    policy_snapshot: Any,
    key: Key[Array, ""],
    own: PerEnvironment,
    happened: Happened,
    *,
    actions: ActionSpace,
) -> tuple[PerEnvironment, Transition, Record]:
    """What a step of one environment leaves, is stored as, and reports."""
    agent, intervention, _ = actors
    memory, transition = make_transition(
        agent, intervention, policy_snapshot, own.memory, *happened, key=key
    )
    record = Record.of(own.progress, happened[1], transition, intervention, actions)
    return PerEnvironment(memory, own.progress.advance(transition)), transition, record


def without_episode(progress: Progress, running: Bool[Array, ""]) -> Progress:
    """Without the episode, if one was under way."""
    episode = progress.episode + running.astype(jnp.int32)
    return dataclasses.replace(progress, episode=episode, so_far=progress.so_far.reset())


def timestep_like(observation: Any, constraints: tuple[str, ...]) -> Timestep:
    """A step that reaches such an observation, as the device sees it."""
    zero, no = jnp.zeros(()), jnp.array(False)
    costs = no_costs(constraints)
    return Timestep(jax.tree.map(jnp.asarray, observation), zero, zero, no, no, costs)


def no_costs(constraints: tuple[str, ...]) -> Float[Array, " constraints"] | None:
    """Zeros for several costs; None where there is one."""
    return jnp.zeros(len(constraints)) if constraints else None
