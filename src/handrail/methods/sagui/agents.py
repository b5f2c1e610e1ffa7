"""The SAC-Lagrangian agents of SaGui from their settings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from handrail.core.artifact import part_shapes
from handrail.core.errors import HandrailError
from handrail.equations.budget import LIMIT_STEPS
from handrail.learners.base import AbstractAgent
from handrail.learners.risk.agent import RiskAgent
from handrail.learners.risk.base import AbstractRisk
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.cost_floor import (
    AbstractCostFloor,
    GuideCostFloor,
    NeverNegative,
    NoFloor,
)
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.stored import (
    AbstractStored,
    InterventionPenalty,
    ProposedAction,
    TakeoverEnds,
)
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.inputs import inputs_of, reading_of
from handrail.methods.sagui.outside_guide import OutsideGuide
from handrail.methods.sagui.problem import Interface
from handrail.methods.sagui.settings import SacSettings, StudentRun
from handrail.methods.sagui.table import StudentMethod
from handrail.methods.sagui.takeover_settings import EXECUTED, RISK, StoredSettings
from handrail.networks.gaussian import Inputs
from handrail.replay.base import AbstractReplay
from handrail.replay.frames import FrameRing
from handrail.replay.ring import Ring
from handrail.replay.split import Split


def sac_learner(
    settings: SacSettings,
    limit: float,
    episode_length: int = LIMIT_STEPS,
    *,
    where: Interface | None = None,
    parts: Mapping[str, Sequence[int]] | None = None,
    predicted_costs: Callable[..., Array] | None = None,
    **options: Any,
) -> SacLagrangian:
    """One update with these settings; `limit` is undiscounted, of an episode of that length.

    `where` says what is observed; without it observations are plain vectors.
    `parts` are the shapes of the observation's parts if they are a navigation task's,
    `predicted_costs` is what the student's guide, if there is one, expects of each cost. Raises
    `HandrailError` where the settings need what there is not.
    """
    return SacLagrangian(
        cost_floor=_cost_floor(settings, predicted_costs),
        cost_limit=limit,
        episode_length=episode_length,
        discount=settings.discount,
        smoothing=settings.smoothing,
        learning_rate=settings.learning_rate,
        reward_scale=settings.reward_scale,
        critic_reduction={"lowest": jnp.min, "mean": jnp.mean}[settings.reward_critics],
        multiplier_rate=settings.multiplier_rate,
        damping_scale=settings.damping,
        cost_critic=settings.cost_critic,
        cost_critics=settings.cost_critics,
        risk_level=settings.risk_level,
        pid=settings.pid if settings.multiplier == "pid" else None,
        inputs=_inputs(settings, where, parts),
        **options,
    )


def _inputs(
    settings: SacSettings, where: Interface | None, parts: Mapping[str, Sequence[int]] | None
) -> Inputs:
    if where is None:
        return inputs_of(settings.inputs, parts)
    return reading_of(settings, part_shapes(where.observation), where.images, parts)


def check_cost_floor(settings: SacSettings, discount: float, *, source: str) -> None:
    """Refuses a guide whose cost critic discounts by another γ than the student's.

    Sums of costs with different discounts cannot be compared.
    """
    if settings.cost_floor == "guide" and discount != settings.discount:
        raise HandrailError(
            f"{source}: the guide's cost critic has discount {discount:g}, the student "
            f"{settings.discount:g}; set learning.discount to the guide's, or "
            "learning.cost_floor to 'zero'"
        )


def _cost_floor(
    settings: SacSettings, predicted_costs: Callable[..., Array] | None
) -> AbstractCostFloor:
    if settings.cost_floor == "guide":
        if predicted_costs is None:
            raise HandrailError(
                "learning.cost_floor is 'guide', but there is no guide to ask: set it to 'zero' "
                "(for a guide itself: guide.learning.cost_floor)"
            )
        return GuideCostFloor(predicted_costs)
    return {"none": NoFloor(), "zero": NeverNegative()}[settings.cost_floor]


def stored(
    settings: StoredSettings, guide: Guide | OutsideGuide | None
) -> tuple[AbstractStored, ...]:
    """What is changed of a step before it is stored."""
    changes: list[AbstractStored] = []
    if settings.action == "proposed":
        changes.append(ProposedAction())
    if settings.takeover_ends:
        value = guide.value if guide is not None and settings.ending_value else None
        changes.append(TakeoverEnds(settings.ending_reward, settings.ending_cost, value))
    if settings.penalty:  # last: an end has a reward of its own
        changes.append(InterventionPenalty(settings.penalty))
    return tuple(changes)


def check_overruled(run: StudentRun, method: StudentMethod, *, shielded: bool) -> None:
    """Refuses settings of being overruled where nobody overrules the student."""
    if run.stored != EXECUTED and not (_guided(method) or shielded or method.risk):
        raise HandrailError(
            f"stored is {run.stored}, but under method {run.method!r} nobody overrules the "
            "student: leave it out"
        )


def check_stored(run: StudentRun, method: StudentMethod) -> None:
    """Refuses what cannot be learnt of being overruled under a method, or not beside other
    settings.
    """
    kept, guided = run.stored, _guided(method)
    if run.risk != RISK and method.risk is None:
        raise HandrailError(
            f"risk is {run.risk}, but under method {run.method!r} no risk is learnt: leave it out"
        )
    if not kept.takeover_ends and (kept.ending_reward or kept.ending_cost or kept.ending_value):
        raise HandrailError(
            "stored.ending_reward, ending_cost and ending_value are of takeovers that end an "
            "episode: set stored.takeover_ends to true, or leave them out"
        )
    if kept.ending_value and (kept.ending_reward or not method.needs_guide):
        why = "ending_reward says another" if method.needs_guide else "there is no trained guide"
        raise HandrailError(
            f"stored.ending_value is true: the reward of an end is what the guide's critics "
            f"predict, but {why}; leave one of them out, or take a method with a guide"
        )
    own = kept.takeover_ends or kept.action == "proposed"
    if own and guided and (run.distillation != "none" or run.weighting != "none"):
        raise HandrailError(
            "stored keeps the student's own actions, but distillation and importance weights are of"
            " the executed ones: set distillation and weighting to 'none' (preset 'recommended')"
        )


def _guided(method: StudentMethod) -> bool:
    return method.has_guide or "expert" in method.needs


def sac_agent(
    settings: SacSettings, learner: SacLagrangian, replay: AbstractReplay, **options: Any
) -> SacAgent:
    """The agent with these settings."""
    return SacAgent(
        learner=learner,
        replay=replay,
        hidden=settings.hidden,
        batch=settings.batch,
        train_every=settings.train_every,
        updates=settings.updates,
        learning_starts=settings.learning_starts,
        **options,
    )


def risk_agent(
    run: StudentRun, where: Interface, acting: AbstractAgent, learner: AbstractRisk
) -> RiskAgent:
    """The agent that also learns a risk, from a memory of what was executed. Raises
    `HandrailError` for observations that its critics cannot read.
    """
    assert isinstance(acting, SacAgent)
    if where.images or run.learning.normalise_observations:
        what = "images" if where.images else "learning.normalise_observations"
        raise HandrailError(
            f"{where.name}: {what}, but under method {run.method!r} critics of risk read plain "
            "numbers: take a method without them, such as 'budget-switch' or 'sac-lagrangian'"
        )
    executed = memory(run.learning, run.steps, where, split=False)
    return RiskAgent(acting=acting, learner=learner, replay=executed, batch=run.learning.batch)


def memory(
    settings: SacSettings, steps: int, where: Interface, *, split: bool, width: int = 1
) -> AbstractReplay:
    """A replay that never allocates more than a run of `steps` steps can fill.

    Observations with images are kept once; `width` environments are stepped side by side.
    """
    if where.images and split:
        raise HandrailError(
            "the observation has images, and replay is split: images are kept in one memory for "
            "both actors; set replay to 'ring'"
        )
    if where.images:
        return FrameRing(min(settings.replay, steps), width)
    if split:
        return Split(min(settings.replay, 2 * steps))
    return Ring(min(settings.replay, steps))
