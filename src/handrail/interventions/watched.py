"""Triggers that are watched: they judge every step, and none of them steps in."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Key

from handrail.core.rng import stream
from handrail.core.types import Context, Memory, Transition
from handrail.interventions.base import AbstractTrigger, Intervention, Verdict
from handrail.interventions.substitutes import Proposed


class WatchedTriggers(AbstractTrigger):
    """Never fires, and reports by name whether each of several triggers would have.

    They see the same states and remember what happens in them, as they do where they act.
    """

    stream: ClassVar[str] = "Watched"
    names: tuple[str, ...] = eqx.field(static=True)
    triggers: tuple[AbstractTrigger, ...]

    def init(self) -> Memory:
        return tuple(trigger.init() for trigger in self.triggers)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        judged = zip(self.names, self.triggers, memory, strict=True)
        fires = {
            name: jnp.asarray(trigger(context, own, key=stream(key, name)).fires, bool)
            for name, trigger, own in judged
        }
        return Verdict(jnp.array(False), fires)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        remembered = zip(self.names, self.triggers, memory, strict=True)
        return tuple(
            trigger.observe(own, context, transition, key=stream(key, name))
            for name, trigger, own in remembered
        )


def watched(triggers: Mapping[str, AbstractTrigger]) -> Intervention:
    """An intervention that never acts, and watches these triggers."""
    return Intervention(WatchedTriggers(tuple(triggers), tuple(triggers.values())), Proposed())
