"""An intervention = WHEN to step in × WHAT acts instead."""

import abc
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Decision, Memory, Transition
from handrail.interventions.asked import one_truth


class Verdict(eqx.Module):
    """Whether a trigger fires, and the named quantities that it looked at.

    `fires` is one truth. A quantity that is NaN or infinite where it should be finite means that
    the trigger does not know: it fires, and says so in `not_finite` (None where this cannot be).
    """

    fires: Bool[Array, ""]
    evidence: dict[str, Array]
    not_finite: Bool[Array, ""] | None = None


class Threshold(NamedTuple):
    """What a trigger compares a quantity of its evidence with, for those who read records."""

    quantity: str
    """Its name in the evidence."""
    value: Any
    """A number, or the name of the quantity of the evidence that holds it."""
    fires: Literal["above", "from", "below"]
    """Where the trigger fires: above the value, from the value on, or below it."""


class AbstractTrigger(eqx.Module):
    """WHEN to step in.

    Deciding (`__call__`) never changes the memory; `observe` does, from what happened then.
    There, too, the end of an episode (`terminated | truncated`) clears what belongs to the
    episode.

    `stream` names the random numbers of the class. It never changes, also where the class is
    renamed, since other random numbers make other runs. A class that names none of its own has
    its class name.
    """

    stream: ClassVar[str]

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

    def thresholds(self) -> tuple[Threshold, ...]:
        """What its evidence is compared with; nothing where evidence speaks for itself."""
        return ()

    def __and__(self, other: "AbstractTrigger") -> "All":
        return All((*_conditions(self, All), *_conditions(other, All)))

    def __or__(self, other: "AbstractTrigger") -> "Either":
        return Either((*_conditions(self, Either), *_conditions(other, Either)))


class AbstractMemoryless(AbstractTrigger):
    """A trigger that remembers nothing."""

    def init(self) -> Memory:
        return ()

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        return memory


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

    def __check_init__(self):
        if not isinstance(self.when, AbstractTrigger):
            raise HandrailError(
                f"WHEN to step in is a {type(self.when).__name__}; expected a trigger, such as "
                "handrail.Predicate(function)"
            )
        if not isinstance(self.what, AbstractSubstitute):
            raise HandrailError(
                f"WHAT acts instead is a {type(self.what).__name__}; expected a substitute, such "
                "as handrail.Policy(function)"
            )

    def init(self) -> Memory:
        return self.when.init()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Decision:
        """Decides; evidence gains `intervened` only through the decision itself."""
        verdict = _judge(self.when, context, memory, key)
        substitution = self.what(context, key=stream(key, "what"))
        intervened = verdict.fires & substitution.available
        return Decision(
            action=jnp.where(intervened, _fitting(substitution.action, context), context.proposed),
            intervened=intervened,
            evidence=verdict.evidence,
            extras={
                name: jnp.where(intervened, substitution.extras.get(name, value), value)
                for name, value in context.extras.items()
            },
            not_finite=verdict.not_finite,
        )

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        if isinstance(self.when, AbstractSeveral):
            return self.when.observe(memory, context, transition, key=key)
        return _observed((self.when,), (memory,), context, transition, key)[0]


class AbstractSeveral(AbstractTrigger):
    """Several conditions as one.

    Each condition draws from a key named after its `stream`, so adding another condition
    never shifts the draws of those that were there. Of one class twice, the left one is the
    first: append the new one. What both report under one name is numbered (`predicate`,
    `predicate_2`), in evidence and thresholds.
    """

    conditions: eqx.AbstractVar[tuple[AbstractTrigger, ...]]

    @abc.abstractmethod
    def reduce(self, fires: Bool[Array, " conditions"]) -> Bool[Array, ""]:
        """Whether all of it fires, from whether each condition does."""

    def init(self) -> Memory:
        return tuple(condition.init() for condition in self.conditions)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        verdicts = _verdicts(self.conditions, context, memory, key)
        fires = self.reduce(jnp.stack([verdict.fires for verdict in verdicts]))
        not_finite = any_not_finite([verdict.not_finite for verdict in verdicts])
        return Verdict(fires, _merged(verdicts), not_finite)

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        return _observed(self.conditions, memory, context, transition, key)

    def thresholds(self) -> tuple[Threshold, ...]:
        several = [condition.thresholds() for condition in self.conditions]
        renamed = _numbered([_names(own) for own in several])
        return tuple(
            Threshold(names[quantity], names[value] if _is_name(value) else value, fires)
            for own, names in zip(several, renamed, strict=True)
            for quantity, value, fires in own
        )


class All(AbstractSeveral):
    """Fires where every condition fires (`a & b`)."""

    stream: ClassVar[str] = "All"
    conditions: tuple[AbstractTrigger, ...]

    def reduce(self, fires: Bool[Array, " conditions"]) -> Bool[Array, ""]:
        return fires.all()


class Either(AbstractSeveral):
    """Fires where at least one condition fires (`a | b`)."""

    stream: ClassVar[str] = "Either"
    conditions: tuple[AbstractTrigger, ...]

    def reduce(self, fires: Bool[Array, " conditions"]) -> Bool[Array, ""]:
        return fires.any()


def stream_name(kind: type[AbstractTrigger]) -> str:
    """The name of a trigger's random stream: its own `stream`, else its class name."""
    return vars(kind).get("stream", kind.__name__)


def _fitting(action: Array, context: Context) -> Array:
    """The substitute's action, found to be one of the space that the proposed one is of."""
    action, proposed = jnp.asarray(action), context.proposed
    integers = [jnp.issubdtype(each.dtype, jnp.integer) for each in (action, proposed)]
    if action.shape != proposed.shape or integers[0] != integers[1]:
        raise HandrailError(
            f"the intervention acts with {action.dtype} of shape {action.shape}, but actions "
            f"here are {proposed.dtype} of shape {proposed.shape}; "
            "guide and environment need the same actions"
        )
    return action


def _conditions(trigger: AbstractTrigger, kind: type) -> tuple[AbstractTrigger, ...]:
    return trigger.conditions if isinstance(trigger, kind) else (trigger,)


def _keys(conditions, key):
    """One key a condition: named by its stream, and by occurrence where that repeats."""
    seen: dict[str, int] = {}
    keys = []
    for condition in conditions:
        name = stream_name(type(condition))
        seen[name] = seen.get(name, 0) + 1
        keys.append(stream(key, name, seen[name]))
    return keys


def _judge(trigger, context, memory, key) -> Verdict:
    if isinstance(trigger, AbstractSeveral):
        return trigger(context, memory, key=key)
    return _verdicts((trigger,), context, (memory,), key)[0]


def _verdicts(conditions, context, memory, key) -> list[Verdict]:
    keys = _keys(conditions, key)
    return [
        _one(condition, condition(context, remembered, key=key))
        for condition, remembered, key in zip(conditions, memory, keys, strict=True)
    ]


def _one(condition: AbstractTrigger, verdict: Verdict) -> Verdict:
    """The verdict, found to be one truth."""
    fires, unknown = one_truth(f"the trigger {type(condition).__name__}", verdict.fires)
    return Verdict(fires, verdict.evidence, any_not_finite([verdict.not_finite, unknown]))


def any_not_finite(truths: list[Bool[Array, ""] | None]) -> Bool[Array, ""] | None:
    """Whether one of several did not know; None where none of them can say."""
    known = [truth for truth in truths if truth is not None]
    return jnp.stack(known).any() if known else None


def _observed(conditions, memory, context, transition, key) -> Memory:
    keys = _keys(conditions, key)
    return tuple(
        condition.observe(remembered, context, transition, key=key)
        for condition, remembered, key in zip(conditions, memory, keys, strict=True)
    )


def _merged(verdicts: list[Verdict]) -> dict[str, Array]:
    """All evidence; what a later condition reports under a name again is numbered."""
    renamed = _numbered([list(verdict.evidence) for verdict in verdicts])
    return {
        names[name]: value
        for verdict, names in zip(verdicts, renamed, strict=True)
        for name, value in verdict.evidence.items()
    }


def _names(thresholds: Sequence[Threshold]) -> list[str]:
    """The quantities of the evidence that thresholds name."""
    named = (name for quantity, value, _ in thresholds for name in (quantity, value))
    return list(dict.fromkeys(name for name in named if _is_name(name)))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _numbered(reported: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """By condition, its names as they stand beside the others': `name`, `name_2`, `name_3`, …"""
    taken: set[str] = set()
    renamed = []
    for names in reported:
        own: dict[str, str] = {}
        for name in names:
            candidates = (f"{name}_{number}" for number in itertools.count(2))
            own[name] = next(one for one in itertools.chain([name], candidates) if one not in taken)
            taken.add(own[name])
        renamed.append(own)
    return renamed
