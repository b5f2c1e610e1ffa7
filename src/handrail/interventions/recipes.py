"""Named interventions: each a point in WHEN × WHAT."""

import math
from collections.abc import Callable, Sequence

from jaxtyping import Array, Float, Key

from handrail.core.arguments import Range, number
from handrail.core.types import Observation
from handrail.interventions.adaptive_share import RATE, AdaptiveShare
from handrail.interventions.base import AbstractSubstitute, AbstractTrigger, Intervention
from handrail.interventions.ensemble import (
    AdvantageBelow,
    PessimisticAdvantages,
    RandomAdvantageous,
)
from handrail.interventions.near_unsafe import NearUnsafe
from handrail.interventions.overruled import overruled
from handrail.interventions.repeated_harm import RepeatsHarm
from handrail.interventions.substitutes import (
    FirstAvailable,
    Policy,
    Proposed,
    RandomAboveMean,
    RandomAction,
    RepeatedRandomAction,
)
from handrail.interventions.triggers import (
    AfterFirstCost,
    BelowMean,
    BudgetSpent,
    Coin,
    CostCriticExceeds,
    IntervalCoin,
    LinearDecay,
    Never,
    Predicate,
)
from handrail.interventions.with_info import WithInfo

INTERVAL_STEPS = 50

Prior = Callable[[Observation], Float[Array, " actions"]]


def none() -> Intervention:
    """Plain learning."""
    return Intervention(Never(), Proposed())


def wandering(share: float, length: int, *, key: Key[Array, ""]) -> Intervention:
    """In a share of all intervals of steps one random action is repeated: for a source, where a
    guide has to learn what follows from actions that are not its own.
    """
    return Intervention(IntervalCoin(share, length, key), RepeatedRandomAction(length, key))


def with_guide_intervals(
    intervention: Intervention, share: float, *, key: Key[Array, ""]
) -> Intervention:
    """The substitute also acts in a random share of the intervals of 50 steps (beyond the papers).

    The intervention itself where the share is 0. The student so sees other places, safely.
    """
    if not share:
        return intervention
    return Intervention(
        intervention.when | IntervalCoin(share, INTERVAL_STEPS, key), intervention.what
    )


def domain_prior(prior: Prior, *, prior_prob: float = 0.95, threshold: float = 0.0) -> Intervention:
    """The action check in every state (arXiv:1909.04307)."""
    check, substitute = _action_check(prior, threshold)
    return Intervention(Coin(prior_prob) & check, substitute)


def contrastive(
    near: NearUnsafe,
    prior: Prior,
    *,
    prior_prob: float = 0.95,
    threshold: float = 0.0,
    repeat_distance: float = 0.0,
) -> Intervention:
    """The action check only near unsafe states (arXiv:2503.10318).

    With a `repeat_distance` above 0 what comes of that, the learner's action or the substitute's,
    is judged once more: where it has done harm in a state whose embedding is as near as this,
    another one acts, if need be against the prior (`RepeatsHarm`, beyond the paper).
    """
    check, substitute = _action_check(prior, threshold)
    checks = Intervention(near & Coin(prior_prob) & check, substitute)
    return without_repeats(checks, near, prior, distance=repeat_distance, threshold=threshold)


def without_repeats(
    first: Intervention, near: NearUnsafe, prior: Prior, *, distance: float, threshold: float = 0.0
) -> Intervention:
    """`first`, over which the memory of harm has the last word (`RepeatsHarm`, beyond the papers).

    Another action acts, if possible one that the prior rates above the `threshold`. `first` itself
    where the `distance` is 0.
    """
    if not distance:
        return first
    latent = near.initial_embeddings.shape[1]
    again = RepeatsHarm(near.embed, latent, distance, near.capacity)
    another = tuple(RandomAboveMean(prior, least) for least in (threshold, -math.inf))
    return overruled(first, by=Intervention(again, FirstAvailable(another)))


def _action_check(prior: Prior, threshold: float) -> tuple[AbstractTrigger, AbstractSubstitute]:
    """WHEN a prior, or an ensemble of them, speaks against an action, and WHAT acts instead."""
    if isinstance(prior, PessimisticAdvantages):
        return AdvantageBelow(prior, threshold), RandomAdvantageous(prior, threshold)
    return BelowMean(prior, threshold), RandomAboveMean(prior, threshold)


def state_check_only(near: NearUnsafe, actions: int, *, prior_prob: float = 0.95) -> Intervention:
    """Ablation: near an unsafe state a random action replaces any proposed one."""
    return Intervention(near & Coin(prior_prob), RandomAction(actions))


def control_switch(guide: Policy) -> Intervention:
    """From the first cost of an episode to its end the guide acts (arXiv:2307.14316)."""
    return Intervention(AfterFirstCost(), guide)


def linear_decay(guide: Policy) -> Intervention:
    """The guide acts with a probability that falls from 1 to 0 (arXiv:2307.14316)."""
    return Intervention(LinearDecay(), guide)


def adaptive_share(guide: Policy, *, limit: float, rate: float = RATE) -> Intervention:
    """The guide acts with a probability that falls after episodes below the limit and rises after
    episodes above it, by `rate` · (cost / limit − 1); it begins at 1 (beyond the papers).

    `limit` is an undiscounted cost of an episode. Raises `HandrailError` where it is not above 0.
    """
    number("limit", limit, Range(0, above=True))
    number("rate", rate, Range(0, 1, above=True))
    return Intervention(AdaptiveShare(limit, rate), guide)


def budget_switch(
    guide: Policy, critic: Callable[..., Array], *, threshold: float, limit: float
) -> Intervention:
    """The guide acts where it predicts too much cost, or the episode's budget is spent.

    `threshold` is a discounted cost-return, `limit` an undiscounted one an episode.
    """
    return Intervention(CostCriticExceeds(critic, threshold) | BudgetSpent(limit), guide)


def shield(
    condition: Callable[..., Array], safe_policy: Policy, *, info: Sequence[str] = ()
) -> Intervention:
    """A user's predicate (one truth of the context) and a user's safe policy.

    `info` are names of numbers of the environment's info that the predicate reads, as
    `context.info[name]` (see `WithInfo`).
    """
    predicate = Predicate(condition)
    return Intervention(WithInfo(predicate, info) if info else predicate, safe_policy)
