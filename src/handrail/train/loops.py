"""What `execute` asks of a loop, and which of the two an environment needs."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Key

from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.train.compiled import Loop, RunState
from handrail.train.host import HostLoop
from handrail.train.step import Record


@runtime_checkable
class AnyLoop(Protocol):
    """An agent in an environment, run in chunks of blocks: `Loop` and `HostLoop`."""

    @property
    def environment(self) -> Any:
        """Where it acts: one environment, compiled or on the host, or several side by side."""
        ...

    @property
    def agent(self) -> AbstractAgent:
        """What learns."""
        ...

    @property
    def intervention(self) -> Intervention:
        """What may override its actions."""
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


def make_loop(
    environment: AbstractEnvironment | AbstractHostEnvironment | AbstractVectorHost,
    agent: AbstractAgent,
    intervention: Intervention,
    total: int,
) -> Loop | HostLoop:
    """The compiled loop where the environment compiles, else one that learns while it steps."""
    if isinstance(environment, AbstractHostEnvironment | AbstractVectorHost):
        return HostLoop(environment, agent, intervention, total, delayed=True)
    return Loop(environment, agent, intervention, total)
