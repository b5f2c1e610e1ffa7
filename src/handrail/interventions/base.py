"""An intervention = WHEN to step in × WHAT acts instead."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from handrail.rng import stream
from handrail.types import Action, Context, Decision, Memory, Transition


class Verdict(eqx.Module):
    """Whether a trigger fires, and the named quantities that it looked at."""

    fires: Bool[Array, ""]
    evidence: dict[str, Array]


class AbstractTrigger(eqx.Module):
    """WHEN to step in.

    Deciding (`__call__`) never changes the memory; `observe` does, from what happened then.
    There, too, the end of an episode (`terminated | truncated`) clears what belongs to the
    episode.
    """

    @abc.abstractmethod
    def init(self) -> Memory:
        """The memory at the beginning of a run."""

    @abc.abstractmethod
    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        """Whether to step in now."""

    @abc.abstractmethod
    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        """The memory after the step that was decided in `context`."""

    def __and__(self, other: "AbstractTrigger") -> "All":
        return All((*_conditions(self, All), *_conditions(other, All)))

    def __or__(self, other: "AbstractTrigger") -> "Either":
        return Either((*_conditions(self, Either), *_conditions(other, Either)))


class Substitution(eqx.Module):
    """What acts instead: an action, whether there is one, and what comes with it.

    `extras` are either empty or named like the extras of the proposal that they replace.
    """

    action: Action
    available: Bool[Array, ""]  # False: the proposed action stands
    extras: dict[str, Array] = eqx.field(default_factory=dict)


class AbstractSubstitute(eqx.Module):
    """WHAT acts instead of the learner."""

    @abc.abstractmethod
    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        """The substitute's action in this context."""


class Intervention(eqx.Module):
    """WHEN × WHAT: the only place where a proposed action becomes an executed one."""

    when: AbstractTrigger
    what: AbstractSubstitute

    def init(self) -> Memory:
        return self.when.init()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Decision:
        """Decides; evidence gains `intervened` only through the decision itself."""
        verdict = _judge(self.when, context, memory, key)
        substitution = self.what(context, key=stream(key, "what"))
        intervened = verdict.fires & substitution.available
        return Decision(
            action=jnp.where(intervened, substitution.action, context.proposed),
            intervened=intervened,
            evidence=verdict.evidence,
            extras={
                name: jnp.where(intervened, substitution.extras.get(name, value), value)
                for name, value in context.extras.items()
            },
        )

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        if isinstance(self.when, All | Either):
            return self.when.observe(memory, context, transition, key=key)
        return All((self.when,)).observe((memory,), context, transition, key=key)[0]


class All(AbstractTrigger):
    """Fires where every condition fires (`a & b`).

    Each condition draws from a key named after its class, so adding another condition
    never shifts the draws of those that were there. Of one class twice, the left one is the
    first: append the new one.
    """

    conditions: tuple[AbstractTrigger, ...]

    def init(self) -> Memory:
        return tuple(condition.init() for condition in self.conditions)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        verdicts = _verdicts(self.conditions, context, memory, key)
        fires = jnp.stack([verdict.fires for verdict in verdicts]).all()
        return Verdict(fires, _merged(verdicts))

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        return _observed(self.conditions, memory, context, transition, key)


class Either(AbstractTrigger):
    """Fires where at least one condition fires (`a | b`); keys are named as in `All`."""

    conditions: tuple[AbstractTrigger, ...]

    def init(self) -> Memory:
        return tuple(condition.init() for condition in self.conditions)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        verdicts = _verdicts(self.conditions, context, memory, key)
        fires = jnp.stack([verdict.fires for verdict in verdicts]).any()
        return Verdict(fires, _merged(verdicts))

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        return _observed(self.conditions, memory, context, transition, key)


def _conditions(trigger: AbstractTrigger, kind: type) -> tuple[AbstractTrigger, ...]:
    return trigger.conditions if isinstance(trigger, kind) else (trigger,)


def _keys(conditions, key):
    """One key a condition: named by class, and by occurrence where a class repeats."""
    seen: dict[str, int] = {}
    keys = []
    for condition in conditions:
        name = type(condition).__name__
        seen[name] = seen.get(name, 0) + 1
        keys.append(stream(key, name, seen[name]))
    return keys


def _judge(trigger, context, memory, key) -> Verdict:
    if isinstance(trigger, All | Either):
        return trigger(context, memory, key=key)
    return _verdicts((trigger,), context, (memory,), key)[0]


def _verdicts(conditions, context, memory, key) -> list[Verdict]:
    keys = _keys(conditions, key)
    return [
        condition(context, remembered, key=key)
        for condition, remembered, key in zip(conditions, memory, keys, strict=True)
    ]


def _observed(conditions, memory, context, transition, key) -> Memory:
    keys = _keys(conditions, key)
    return tuple(
        condition.observe(remembered, context, transition, key=key)
        for condition, remembered, key in zip(conditions, memory, keys, strict=True)
    )


def _merged(verdicts: list[Verdict]) -> dict[str, Array]:
    evidence: dict[str, Array] = {}
    for verdict in verdicts:
        repeated = evidence.keys() & verdict.evidence.keys()
        if repeated:
            raise ValueError(f"two conditions report evidence under the name {sorted(repeated)}")
        evidence |= verdict.evidence
    return evidence
