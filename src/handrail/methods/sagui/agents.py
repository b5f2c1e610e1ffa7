"""The SAC-Lagrangian agents of SaGui from their settings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from handrail.core.artifact import part_shapes
from handrail.core.errors import HandrailError
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.cost_floor import (
    AbstractCostFloor,
    GuideCostFloor,
    NeverNegative,
    NoFloor,
)
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.methods.sagui.inputs import inputs_of, reading_of
from handrail.methods.sagui.problem import Interface
from handrail.methods.sagui.settings import LIMIT_STEPS, SacSettings
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
    `predicted_costs`
    is what the student's guide, if there is one, expects of each cost. Raises `HandrailError`
    where the settings need what there is not.
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
