"""Triggers that ask a guide's critics when it should take over, and for how long it should act.

The plain one, `CostCriticExceeds`, is among the `triggers`.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Context, Memory, Observation, Transition
from handrail.equations.budget import predicted_total
from handrail.interventions.asked import ask, check_compared, one_number
from handrail.interventions.base import (
    AbstractMemoryless,
    AbstractTrigger,
    Threshold,
    Verdict,
    any_not_finite,
)

Critic = Callable[[Observation, Action], Float[Array, ""]]


class CostSumReaches(AbstractMemoryless):
    """What the episode has cost and what is predicted of the proposed action reach the limit.

    Fires iff C_{<t} + scale · max(Q^c(s, a), 0) ≥ limit, and where a number is not finite. As
    SOOPER (arXiv:2601.19612) filters actions; a predicted cost below zero counts as zero here, so
    that a spent budget is never talked away (docs/decisions.md, T1).

    Attributes:
        critic: `critic(observation, action)`, an expected discounted sum of costs.
        limit: undiscounted cost of an episode.
        scale: what turns the critic's sum into cost of an episode: `budget.cost_scale`.
    """

    stream: ClassVar[str] = "CostSumReaches"
    critic: Critic
    limit: float = eqx.field(static=True)
    scale: float = eqx.field(default=1.0, static=True)

    def __check_init__(self):
        check_critic("the cost critic", self.critic)
        check_compared("limit", self.limit)
        if not 0 < self.scale < math.inf:
            raise HandrailError(
                f"scale is {self.scale}: expected a positive number, steps of an episode times "
                "(1 - discount of the critic): handrail.equations.budget.cost_scale says it"
            )

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("predicted_total", self.limit, "from"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        value = asked("the cost critic", self.critic, context)
        total = predicted_total(context.episode_cost, jnp.maximum(value, 0.0), scale=self.scale)
        unknown = ~jnp.isfinite(total)
        return Verdict((total >= self.limit) | unknown, {"predicted_total": total}, unknown)


class AdvantageExceeds(AbstractMemoryless):
    """The proposed action is predicted to cost more than the guide's own, by more than a threshold.

    Fires iff Q^c(s, a) − Q^c(s, μ(s)) > threshold (SAILR, arXiv:2106.09110), and where the
    difference is not finite. A critic that is too high or too low everywhere changes nothing.

    Attributes:
        advantage: `advantage(observation, action)`, that difference, discounted, such as
            `handrail.load_guide(...).advantage`.
        threshold: η, discounted cost.
    """

    stream: ClassVar[str] = "AdvantageExceeds"
    advantage: Critic
    threshold: float | Float[Array, ""]

    def __check_init__(self):
        check_critic("the advantage", self.advantage)
        check_compared("threshold", self.threshold)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("cost_advantage", self.threshold, "above"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        value = asked("the cost advantage", self.advantage, context)
        unknown = ~jnp.isfinite(value)
        return Verdict((value > self.threshold) | unknown, {"cost_advantage": value}, unknown)


class Held(AbstractTrigger):
    """Hysteresis: fires with `start`, and from then on for at least some steps and while `stay`.

    What counts is that the substitute has acted, whoever called it: whoever hands control over
    gets it back when `stay` is silent. The end of an episode gives it back, too.

    Attributes:
        start: when to step in.
        stay: when not to step out yet, such as the same critic at a lower threshold.
        steps: of one takeover, at least.
    """

    stream: ClassVar[str] = "Held"
    start: AbstractTrigger
    stay: AbstractTrigger
    steps: int = eqx.field(default=1, static=True)

    def __check_init__(self):
        if self.steps < 1:
            raise HandrailError(
                f"steps is {self.steps}: a takeover lasts for at least 1; leave it out"
            )

    def init(self) -> tuple[Memory, Memory, Int[Array, ""]]:
        return self.start.init(), self.stay.init(), jnp.int32(0)

    def thresholds(self) -> tuple[Threshold, ...]:
        return self.start.thresholds()

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        begun, staying, lasted = memory
        start = self.start(context, begun, key=stream(key, "start"))
        stay = self.stay(context, staying, key=stream(key, "stay"))
        held = (lasted > 0) & ((lasted < self.steps) | stay.fires)
        return Verdict(
            start.fires | held,
            stay.evidence | start.evidence | {"held": held & ~start.fires},
            any_not_finite([start.not_finite, stay.not_finite]),
        )

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        begun, staying, lasted = memory
        acted = transition.intervened & ~(transition.terminated | transition.truncated)
        return (
            self.start.observe(begun, context, transition, key=stream(key, "start")),
            self.stay.observe(staying, context, transition, key=stream(key, "stay")),
            jnp.where(acted, lasted + 1, 0),
        )


def check_critic(what: str, critic: object) -> None:
    """Refuses what is no function of an observation and an action."""
    if not callable(critic):
        raise HandrailError(
            f"{what} is {critic!r}; expected a function (observation, action) -> one number, such "
            "as the `cost` or `advantage` of handrail.load_guide(file, problem)"
        )


def asked(what: str, critic: Critic, context: Context) -> Float[Array, ""]:
    """What a critic says of the proposed action: one number."""
    return one_number(what, ask(what, critic, context.observation, context.proposed))
