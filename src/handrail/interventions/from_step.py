"""A trigger that fires from a step of the episode on."""

from jaxtyping import Array, Int, Key

from handrail.core.types import Context, Memory, Transition
from handrail.interventions.base import AbstractTrigger, Verdict


class FromStep(AbstractTrigger):
    """Fires from the step `first` of every episode to its end; steps count from 0."""

    first: int | Int[Array, ""]

    def init(self) -> Memory:
        return ()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(context.episode_step >= self.first, {})

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        return memory
