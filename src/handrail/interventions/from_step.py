"""A trigger that fires from a step of the episode on."""

from jaxtyping import Array, Int, Key

from handrail.core.types import Context, Memory
from handrail.interventions.base import AbstractMemoryless, Verdict


class FromStep(AbstractMemoryless):
    """Fires from the step `first` of every episode to its end; steps count from 0."""

    first: int | Int[Array, ""]

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(context.episode_step >= self.first, {})
