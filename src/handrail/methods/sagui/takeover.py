"""By what, from where on and for how long a guide acts in a student's place."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.equations.budget import cost_scale, discounted_limit
from handrail.interventions.base import AbstractTrigger
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.sampled_mean import BelowSampledMean
from handrail.interventions.takeover import AdvantageExceeds, CostSumReaches, Held
from handrail.interventions.triggers import CostCriticExceeds
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.near_settings import NEAR, NearUnsafeSettings
from handrail.methods.sagui.outside_guide import OutsideGuide
from handrail.methods.sagui.settings import EARLY
from handrail.methods.sagui.takeover_settings import PLAIN, RISK, RiskSettings, TakeoverSettings


@dataclasses.dataclass(frozen=True)
class Takeover:
    """What a student may cost, and from where on its guide prevents it."""

    limit: float
    """Cost of an episode that is allowed, undiscounted."""
    predicted_cost: float
    """Discounted cost, predicted of the proposed action, above which the guide acts."""
    steps: int = 1000
    """Steps of the episode that the limit is for."""
    how: TakeoverSettings = PLAIN
    """How its critics are read, and for how long it stays."""
    risk: RiskSettings = RISK
    """The student's own risk, under methods in which it is learnt."""
    near: NearUnsafeSettings = NEAR
    """Which states are near unsafe ones, under methods that ask."""

    @staticmethod
    def of(
        limit: float,
        threshold: float | None,
        discount: float,
        steps: int,
        how: TakeoverSettings = PLAIN,
    ) -> "Takeover":
        """At `threshold` multiples of the limit, of an episode of `steps` steps, on the discounted
        scale; by default at `EARLY`.
        """
        multiple = EARLY if threshold is None else threshold
        return Takeover(limit, multiple * discounted_limit(limit, discount, steps), steps, how)


def by_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    """The guide predicts more than `takeover.predicted_cost` of the proposed action."""
    if not takeover.limit and not takeover.predicted_cost:
        raise HandrailError(
            "limit is 0, and the guide takes over at a multiple of it, so it would act at every "
            "step: give a limit above 0, such as the cost of one step of harm, or a guide whose "
            "file says its takeover_cost, with no threshold"
        )
    critic = known.guiding.pessimistic(takeover.how.pessimism).cost
    return held(takeover, lambda share: CostCriticExceeds(critic, share * takeover.predicted_cost))


def by_sum(takeover: Takeover, known: Known) -> AbstractTrigger:
    """The episode's cost so far and what it predicts of the proposed action reach the limit."""
    if not takeover.limit:
        raise HandrailError(
            "limit is 0, which any predicted cost reaches, so that the guide would act at every "
            "step: give what an episode may cost, such as that of one step of harm, or take over "
            "by the predicted cost alone (method 'budget-switch')"
        )
    critic = known.guiding.pessimistic(takeover.how.pessimism).cost
    scale = cost_scale(known.guiding.discount, takeover.steps)
    return held(takeover, lambda share: CostSumReaches(critic, share * takeover.limit, scale))


def by_advantage(takeover: Takeover, known: Known) -> AbstractTrigger:
    """It predicts `takeover.predicted_cost` more of the proposed action than of its own."""
    advantage = known.guiding.pessimistic(takeover.how.pessimism).advantage
    return held(
        takeover, lambda share: AdvantageExceeds(advantage, share * takeover.predicted_cost)
    )


def near_unsafe(takeover: Takeover, known: Known) -> NearUnsafe:
    """The state is near those that harm followed in the source (arXiv:2503.10318)."""
    near, unsafe = takeover.near, known.encoding.unsafe
    return NearUnsafe(
        embed=known.encoding.embed,
        initial_embeddings=unsafe if near.bring_known else jnp.zeros((0, unsafe.shape[1])),
        radius=AdaptiveRadius(near.max_distance, near.quantile)
        if near.adaptive
        else FixedRadius(near.max_distance),
        neighbours=near.neighbours,
        capacity=near.capacity,
    )


def near_and_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    """Near such a state, and `by_cost`."""
    return near_unsafe(takeover, known) & by_cost(takeover, known)


def near_or_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    """Near such a state, or `by_cost`."""
    return near_unsafe(takeover, known) | by_cost(takeover, known)


def near_and_bad(takeover: Takeover, known: Known) -> AbstractTrigger:
    """Near such a state, and the guide's cost critic says that random actions are better."""
    near = takeover.near
    bad = BelowSampledMean(LowCost(known.guiding), near.threshold, near.samples)
    return near_unsafe(takeover, known) & bad


class LowCost(eqx.Module):
    """A guide's cost critic as a prior of actions: what it predicts, times −1."""

    guide: Guide | OutsideGuide

    def __call__(self, observation: Observation, action: Array) -> Float[Array, ""]:
        return -self.guide.cost(observation, action)


def held(takeover: Takeover, at: Callable[[float], AbstractTrigger]) -> AbstractTrigger:
    """The trigger at its threshold, held as the settings say; `at` gives it at a share of that."""
    how = takeover.how
    if how.release == 1 and how.hold_steps == 1:
        return at(1)
    return Held(at(1), at(how.release), how.hold_steps)


def check_scale(source: str, name: str, given: float, discount: float, harm: float | None) -> None:
    """Refuses a threshold that a critic of this discount can never reach.

    `harm` is what a step of harm costs, as far as the guide's file says.
    """
    if harm is None or discount == 1:
        return
    highest = harm / (1 - discount)
    if given >= highest:
        raise HandrailError(
            f"{source}: {name} is {given:g}, but the guide's critic counts discounted costs "
            f"(γ = {discount:g}) and a step of harm costs {harm:g}: it never predicts as much as "
            f"{highest:g}, and would never take over; give some steps of harm, such as "
            f"{2 * harm:g}"
        )
