"""Triggers that look at numbers of `info`, which only environments of Gymnasium have."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.core.informed import Info
from handrail.core.types import Context, Memory, Transition
from handrail.interventions.base import (
    AbstractTrigger,
    Intervention,
    Threshold,
    Verdict,
    any_not_finite,
)


class WithInfo(AbstractTrigger):
    """A trigger that reads `context.info[name]`: numbers of the info of the last step, or reset.

    `names` are asked of the environment. A number that is NaN or infinite, or that the info of a
    reset does not have, means that the trigger does not know: it fires. Raises `HandrailError`,
    before the first step, where steps have no info (compiled environments), and at a step whose
    info lacks a name.
    """

    stream: ClassVar[str] = "WithInfo"
    trigger: AbstractTrigger
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, trigger: AbstractTrigger, names: Sequence[str]):
        if not isinstance(trigger, AbstractTrigger):
            raise HandrailError(
                f"the trigger is a {type(trigger).__name__}; expected one, such as "
                "handrail.Predicate(function)"
            )
        named = isinstance(names, Sequence) and not isinstance(names, str)
        if not named or not names or not all(isinstance(n, str) and n for n in names):
            raise HandrailError(
                f"info is {names!r}; expected a list of names of numbers in info, such as "
                "['distance']"
            )
        self.trigger, self.names = trigger, tuple(dict.fromkeys(names))

    def init(self) -> Memory:
        return self.trigger.init()

    def thresholds(self) -> tuple[Threshold, ...]:
        return self.trigger.thresholds()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        numbers = self._numbers(context)
        verdict = self.trigger(self._seen(context, numbers), memory, key=key)
        unknown = ~jnp.isfinite(jnp.stack(list(numbers.values()))).all()
        not_finite = any_not_finite([verdict.not_finite, unknown])
        return Verdict(jnp.asarray(verdict.fires) | unknown, verdict.evidence, not_finite)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        seen = self._seen(context, self._numbers(context))
        return self.trigger.observe(memory, seen, transition, key=key)

    def _numbers(self, context: Context) -> dict[str, Array]:
        missing = [name for name in self.names if name not in set(context.info)]
        if missing:
            raise HandrailError(
                f"a trigger asks for {missing} of info, but the steps here have none: compiled "
                "environments have no info, and a loop of your own gives it to nobody; give an "
                "environment of Gymnasium to train_dqn, train_student or SafeExploration, or say "
                "it in the observation"
            )
        return {name: jnp.asarray(context.info[name]) for name in self.names}

    def _seen(self, context: Context, numbers: dict[str, Array]) -> Context:
        return dataclasses.replace(context, info=Info(numbers))


def info_names(intervention: Intervention | None) -> tuple[str, ...]:
    """What the triggers of an intervention ask of `info`, each name once."""

    def asks(part: Any) -> bool:
        return isinstance(part, WithInfo)

    parts = filter(asks, jax.tree.leaves(intervention, is_leaf=asks))
    return tuple(sorted({name for part in parts for name in part.names}))
