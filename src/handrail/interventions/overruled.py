"""Two interventions in turn: the second judges what the first leaves to be executed."""

import abc
import dataclasses
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Key

from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Memory, Transition
from handrail.interventions.base import Intervention, any_not_finite

EVIDENCE = "shield"
"""Named quantity: 1 where the second intervention acted; its own quantities begin with it."""


class AbstractSecond(Intervention):
    """`first`, and then this WHEN × WHAT, to which what `first` decided is what is proposed.

    The random numbers of `first` are those that it has alone, so that a second one that never fires
    changes nothing; those of the second are of the stream `own`.
    """

    first: eqx.AbstractVar[Intervention]
    own: eqx.AbstractClassVar[str]

    @abc.abstractmethod
    def joined(self, earlier: Decision, last: Decision) -> Decision:
        """What comes of both decisions."""

    def init(self) -> Memory:
        return self.first.init(), super().init()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Decision:
        before, own = memory
        earlier = self.first(context, before, key=key)
        seen = dataclasses.replace(context, proposed=earlier.action, extras=earlier.extras)
        last = super().__call__(seen, own, key=stream(key, self.own))
        not_finite = any_not_finite([earlier.not_finite, last.not_finite])
        return dataclasses.replace(self.joined(earlier, last), not_finite=not_finite)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        before, own = memory
        return (
            self.first.observe(before, context, transition, key=key),
            super().observe(own, context, transition, key=stream(key, self.own)),
        )


class Overruled(AbstractSecond):
    """`first`, over which this WHEN × WHAT has the last word.

    What it judges as proposed is what `first` decided, such as a guide's action, and what it leaves
    is executed. Evidence of the second is named `shield_…`, and `shield` is 1 where it acted.
    """

    own: ClassVar[str] = EVIDENCE
    first: Intervention

    def joined(self, earlier: Decision, last: Decision) -> Decision:
        earlier = earlier.undisturbed()
        named = {f"{EVIDENCE}_{name}": value for name, value in last.evidence.items()}
        return Decision(
            action=last.action,
            intervened=earlier.intervened | last.intervened,
            evidence={**earlier.evidence, **named, EVIDENCE: last.intervened},
            extras=last.extras,
        )


def overruled(first: Intervention, by: Intervention) -> Overruled:
    """`first`, such as a guide's, with `by`, such as a shield of one's own, as the last word."""
    return Overruled(when=by.when, what=by.what, first=first)
