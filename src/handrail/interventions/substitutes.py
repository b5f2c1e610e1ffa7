"""Substitutes: WHAT acts instead."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Observation
from handrail.equations.action_masks import random_allowed
from handrail.equations.safety_checks import above_mean
from handrail.interventions.asked import ask, vector
from handrail.interventions.base import AbstractSubstitute, Intervention, Substitution
from handrail.interventions.on_host import acting_on_host, controller_of

UNITS = ("agent", "environment")


class RandomAboveMean(AbstractSubstitute):
    """A uniformly random other action that the prior values above the state's mean.

    The set can be empty (all equal, or by rounding); then there is no substitute and the
    proposed action stands, where the original code of arXiv:2503.10318 crashes. A value that is
    not finite counts as the lowest of those that are; where none is, any action may be drawn.
    """

    prior: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        values = vector("the prior", ask("the prior", self.prior, context.observation))
        finite = jnp.isfinite(values)
        lowest = jnp.min(jnp.where(finite, values, jnp.inf))
        values = jnp.where(finite, values, lowest)
        better = above_mean(values, self.threshold) | ~finite.any()
        better &= jnp.arange(values.size) != context.proposed
        if context.allowed is not None:
            better &= context.allowed
        action = random_allowed(better, key=key).astype(context.proposed.dtype)
        return Substitution(action, better.any())


class FirstAvailable(AbstractSubstitute):
    """The first of several substitutes that has something to do; they bring no extras."""

    substitutes: tuple[AbstractSubstitute, ...]

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        first, *others = self.substitutes
        found = first(context, key=key)
        for number, other in enumerate(others):
            later = other(context, key=stream(key, "later", number))
            action = jnp.where(found.available, found.action, later.action)
            found = Substitution(action, found.available | later.available)
        return found


class RandomAction(AbstractSubstitute):
    """A uniformly random action out of `n` (the substitute of the state-check ablation)."""

    n: int = eqx.field(static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        if context.allowed is None:
            action = jax.random.randint(key, (), 0, self.n)
        else:
            among = context.allowed & (jnp.arange(context.allowed.size) < self.n)
            action = random_allowed(among, key=key)
        action = action.astype(context.proposed.dtype)
        return Substitution(action, jnp.array(True))


class RepeatedRandomAction(AbstractSubstitute):
    """A uniformly random action in [−1, 1]ⁿ, the same for a whole interval of steps.

    Unlike white noise it covers ground: a robot gets up speed.
    """

    length: int = eqx.field(static=True)  # steps
    key: Key[Array, ""]

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        held = stream(self.key, "held", context.step // self.length)
        action = jax.random.uniform(
            held, context.proposed.shape, context.proposed.dtype, minval=-1, maxval=1
        )
        return Substitution(action, jnp.array(True))


class Proposed(AbstractSubstitute):
    """Nothing: the proposed action stands."""

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        return Substitution(context.proposed, jnp.array(False))


class Policy(AbstractSubstitute):
    """A policy acts: a guide seen through the view, an expert, a user's safe controller.

    `act(observation, key) -> (action, extras)`, with extras named like the proposal's. It is
    compiled: ordinary Python (`if`, NumPy) needs `handrail.on_host`.

    `units` are those of its real actions: "agent", the default, where −1 and 1 stand for the
    bounds of the action space, or "environment", where `SafeExploration` and training on the host
    convert them (and numbered actions count from the space's `start`). An action beyond the bounds
    is an error, never clipped: a controller that may leave them clips by itself.
    """

    act: Callable[[Observation, Key[Array, ""]], tuple[Array, dict[str, Array]]]
    units: str = eqx.field(default="agent", static=True)

    def __check_init__(self):
        if not callable(self.act):
            raise HandrailError(
                f"the policy that acts instead is {self.act!r}; expected a function "
                "act(observation, key) -> (action, {})"
            )
        if self.units not in UNITS:
            raise HandrailError(
                f"units is {self.units!r}; expected one of {', '.join(map(repr, UNITS))}"
            )

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        if self.units != "agent":
            raise HandrailError(
                "a policy acts in the environment's units, which a compiled environment does not "
                "have: its actions are within [-1, 1]; leave `units` out"
            )
        own = controller_of(self.act)
        act = self.act if own is None else acting_on_host(own, context.proposed)
        given = ask("the policy that acts instead", act, context.observation, key)
        action, extras = _pair(given)
        return Substitution(jnp.asarray(action), jnp.array(True), extras)


def _pair(given: Any) -> tuple[Any, dict[str, Array]]:
    if not (isinstance(given, tuple) and len(given) == 2):
        raise HandrailError(
            f"the policy that acts instead gives a {type(given).__name__}; expected an action "
            "and its extras, such as (action, {})"
        )
    return given


def in_agent_units(
    intervention: Intervention, agent_form: Callable[[Action], Action]
) -> Intervention:
    """The intervention, whose policies of the environment's units act through `agent_form`."""

    def converted(part: Any) -> Any:
        if isinstance(part, Policy) and part.units == "environment":
            if controller_of(part.act) is not None:
                return _OnHost(part.act, agent_form)
            return Policy(_Converted(part.act, agent_form))
        return part

    return jax.tree.map(converted, intervention, is_leaf=lambda part: isinstance(part, Policy))


class _OnHost(AbstractSubstitute):
    """What acts on the host in the environment's units, in the agent's."""

    act: Callable[..., Any]
    agent_form: Callable[[Any], Any] = eqx.field(static=True)

    def __call__(self, context: Context, *, key: Key[Array, ""]) -> Substitution:
        own = controller_of(self.act)
        assert own is not None  # see `in_agent_units`
        act = acting_on_host(own, context.proposed, self.agent_form)
        action, extras = ask("the policy that acts instead", act, context.observation, key)
        return Substitution(jnp.asarray(action), jnp.array(True), extras)


class _Converted(eqx.Module):
    """What acts in the environment's units, in the agent's."""

    act: Callable[[Observation, Key[Array, ""]], tuple[Array, dict[str, Array]]]
    agent_form: Callable[[Action], Action] = eqx.field(static=True)

    def __call__(self, observation: Observation, key: Key[Array, ""]) -> Any:
        action, extras = _pair(self.act(observation, key))
        return self.agent_form(action), extras
