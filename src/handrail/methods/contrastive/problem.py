"""A task with discrete actions, as the method needs it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment, DiscreteActions
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.vector_host import AbstractVectorHost
from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent
from handrail.methods.contrastive.inputs import AbstractInputs
from handrail.methods.contrastive.settings import PriorSettings
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from handrail.train.loops import AnyLoop
from handrail.train.step_statistics import AbstractStepStatistics, NoStepStatistics

Environment = AbstractEnvironment | AbstractHostEnvironment | AbstractVectorHost
PseudoRewarded = Callable[[Sequence[Any], PriorSettings], Environment]
Trial = Callable[..., dict[str, float]]
"""(agent, its state, `episodes=`, `key=`) → means over whole episodes without intervention, by
column of the summary."""


@dataclasses.dataclass(frozen=True)
class DiscreteProblem:
    """An environment, what networks read of it, and what else differs between kinds of them."""

    name: str
    """For errors and cards."""
    environment: Environment
    """Where the agent acts."""
    inputs: AbstractInputs
    """What the networks that learn here read of its observations."""
    pseudo_rewarded: PseudoRewarded
    """(source Q-functions, settings) → the environment with their pseudo-reward for its own."""
    test: Trial
    """How a finished agent is tested."""
    knowledge_inputs: AbstractInputs | None = None
    """What knowledge that is brought along reads of the observations; by default `inputs`."""
    statistics: AbstractStepStatistics = dataclasses.field(default_factory=NoStepStatistics)
    """What is counted at every step of a student."""

    @property
    def actions(self) -> int:
        """How many there are. Raises `HandrailError` where they are real numbers."""
        space = self.environment.actions
        if not isinstance(space, DiscreteActions):
            raise HandrailError(
                f"{self.name} has real actions; for these there are handrail.train_guide and "
                "handrail.train_student"
            )
        return space.n

    @property
    def seen(self) -> AbstractInputs:
        """What knowledge that is brought along reads."""
        return self.inputs if self.knowledge_inputs is None else self.knowledge_inputs

    def loop(
        self,
        agent: AbstractAgent,
        intervention: Intervention,
        steps: int,
        *,
        environment: Environment | None = None,
        statistics: AbstractStepStatistics | None = None,
    ) -> AnyLoop:
        """The agent under an intervention, in this environment or in one that is given."""
        chosen = self.environment if environment is None else environment
        counted = NoStepStatistics() if statistics is None else statistics
        if isinstance(chosen, AbstractHostEnvironment | AbstractVectorHost):
            return HostLoop(chosen, agent, intervention, steps, counted)
        return Loop(chosen, agent, intervention, steps, counted)
