"""How a world differs from the one that was learnt in, in numbers."""

import dataclasses
from typing import Annotated

from handrail.core.arguments import NonNegative, Positive, Range, Share

LONGEST_DELAY = 1_000
"""Steps of the longest episodes of the navigation tasks: after as many nothing is ever executed."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """A changed world; the defaults change nothing."""

    mass: Positive = 1.0
    """Factor of the robot's mass and inertia."""
    damping: NonNegative = 1.0
    """Factor of the damping of its joints."""
    gain: Positive = 1.0
    """Factor of what its actuators do: of their force after they saturate, where handrail knows the
    physics, else of the action in [-1, 1], where 0 is the middle of its bounds."""
    noise: NonNegative = 0.0
    """Standard deviation of what is added to every number that is observed, as a share of its
    part's scale."""
    delay: Annotated[int, Range(0, LONGEST_DELAY)] = 0
    """Steps after which an action is executed; before the first one come actions of zeros, the
    middle of the bounds."""
    disturbance: Share = 0.0
    """Share α of a uniformly random action, held for 30 steps, in the executed one:
    (1 - α) · action + α · random."""

    @property
    def physical(self) -> tuple[float, float, float]:
        """The factors of mass, damping and gain."""
        return self.mass, self.damping, self.gain

    @property
    def words(self) -> str:
        """What is changed, such as `mass 1.5, delay 2`; `nominal` where nothing is."""
        fields = dataclasses.fields(self)
        changed = [
            f"{field.name} {getattr(self, field.name):g}"
            for field in fields
            if getattr(self, field.name) != field.default
        ]
        return ", ".join(changed) or "nominal"


NOTHING_CHANGED = Changes()
