"""How the environments of a host loop stand: one by itself (`Alone`), or several side by side.

A *wave* is one decision for each of them. Blocks, keys of the learner, packing and the second
thread are the same for all and live in `HostLoop` and `HostSteps`.
"""

import abc
from collections.abc import Iterable
from typing import Any

from jaxtyping import Array, Int, Key, PyTree

from handrail.envs.base import ActionSpace
from handrail.interventions.base import Intervention
from handrail.train.compiled import RunState
from handrail.train.step import Progress, Record
from handrail.types import Context, Decision, Memory, Observation, Timestep, Transition


class AbstractFormation(abc.ABC):
    """The environments of a run, and what a wave of them does.

    The first methods run on the host, the others are compiled. `actors` are the agent, the
    intervention and the tally. Trees have a leading axis of environments where there are several.
    """

    width: int
    """Steps in a wave: how many environments there are."""
    actions: ActionSpace
    """Of one environment."""

    # --- on the host --------------------------------------------------------------------------

    @abc.abstractmethod
    def begin(self, key: Key[Array, ""]) -> Observation:
        """The first episodes of a run with this key."""

    @abc.abstractmethod
    def begin_again(self, key: Key[Array, ""], step: Int[Array, ""]) -> Observation:
        """Other episodes, at this step of the run: those that were under way are lost."""

    @abc.abstractmethod
    def step_keys(self, key: Key[Array, ""], step: Int[Array, ""], block: int) -> Iterable[Any]:
        """What each wave of the block that begins at `step` draws from."""

    @abc.abstractmethod
    def move(
        self, action: Any, step_key: Any, key: Key[Array, ""], step: Int[Array, ""], wave: int
    ) -> tuple[Any, Observation | None]:
        """What comes of a wave, and what is observed next if an episode ended (else None).

        `wave` counts from 0 in the block that begins at `step`.
        """

    @abc.abstractmethod
    def snapshot(self) -> dict[str, Any] | None:
        """The episodes as arrays, if they can be saved."""

    @abc.abstractmethod
    def restore(self, snapshot: dict[str, Any]) -> Observation:
        """Goes back to a snapshot."""

    @abc.abstractmethod
    def midway(self, state: RunState) -> bool:
        """Whether an episode is under way."""

    # --- compiled -----------------------------------------------------------------------------

    @abc.abstractmethod
    def memory(self, intervention: Intervention) -> Memory:
        """What is remembered at the beginning of a run."""

    @abc.abstractmethod
    def example(self, wave: PyTree) -> PyTree:
        """What is one environment's of a tree that holds something of each."""

    @abc.abstractmethod
    def outcome(self, observation: Observation) -> Timestep:
        """A wave that reaches such an observation, without reward, cost or end."""

    @abc.abstractmethod
    def decide(
        self, actors: Any, prepared: Any, state: RunState, *, total: int
    ) -> tuple[Context, Decision]:
        """The decisions of a wave."""

    @abc.abstractmethod
    def conclude(
        self,
        actors: Any,
        prepared: Any,
        state: RunState,
        context: Context,
        decision: Decision,
        timestep: Timestep,
    ) -> tuple[RunState, Transition, Record]:
        """The state after a wave, without the resets, and what is reported of it."""

    @abc.abstractmethod
    def in_order(self, waves: PyTree) -> PyTree:
        """The steps of a block one after another, from those of its waves."""

    @abc.abstractmethod
    def cut_short(self, state: RunState, after: RunState) -> RunState:
        """`state` without the episodes under way; `after` has concluded them as truncated."""


def next_progress(
    progress: Progress, decision: Decision, transition: Transition, actions: ActionSpace
) -> tuple[Progress, Record]:
    """After a step of one environment; and what is reported of the step."""
    record = Record.of(progress, decision, transition, actions)
    return progress.advance(transition), record
