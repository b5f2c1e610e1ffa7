"""What `execute` asks of a loop: `Loop` and `HostLoop` are two."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Key

from handrail.learners.base import AbstractAgent
from handrail.train.compiled import RunState
from handrail.train.step import Record


@runtime_checkable
class AnyLoop(Protocol):
    """An agent in an environment, run in chunks of blocks."""

    @property
    def agent(self) -> AbstractAgent:
        """What learns."""
        ...

    @property
    def total(self) -> int:
        """Environment steps of the whole run."""
        ...

    def init(self, *, key: Key[Array, ""]) -> RunState:
        """The state before the first step."""
        ...

    def blocks(
        self, state: RunState, count: int, *, learn: bool
    ) -> tuple[RunState, Record, dict[str, Any]]:
        """The state after `count` blocks, records of every step, metrics of every block.

        The state that is passed may be used up.
        """
        ...
