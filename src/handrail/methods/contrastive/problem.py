"""A task with discrete actions, as the method needs it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.base import DiscreteActions
from handrail.envs.host import AnyEnvironment
from handrail.methods.contrastive.inputs import AbstractInputs
from handrail.methods.contrastive.settings import PriorSettings
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics

PseudoRewarded = Callable[[Sequence[Any], PriorSettings], AnyEnvironment]
Trial = Callable[..., dict[str, float]]
"""(agent, its state, `episodes=`, `key=`) → means over whole episodes without intervention, by
column of the summary."""


@dataclasses.dataclass(frozen=True)
class Explored:
    """An environment, and what networks read of it: all that an encoder needs."""

    name: str
    """For errors and cards."""
    environment: AnyEnvironment
    """Where the agent acts."""
    inputs: AbstractInputs
    """What the networks that learn here read of its observations."""


@dataclasses.dataclass(frozen=True)
class DiscreteProblem(Explored):
    """An environment with discrete actions, and what else differs between kinds of them."""

    pseudo_rewarded: PseudoRewarded
    """(source Q-functions, settings) → the environment with their pseudo-reward for its own."""
    test: Trial
    """How a finished agent is tested."""
    knowledge_inputs: AbstractInputs | None = None
    """What knowledge that is brought along reads of the observations; by default `inputs`."""
    statistics: AbstractStepStatistics = NOTHING
    """What is counted at every step of a student."""

    def itself(self) -> "DiscreteProblem":
        """It, where a function that makes a problem is asked for."""
        return self

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
