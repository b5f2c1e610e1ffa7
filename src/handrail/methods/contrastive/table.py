"""The methods of the family: one row each.

A row's intervention gets the adjusted `StudentSettings` and the `LoadedKnowledge`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.recipes import (
    contrastive,
    domain_prior,
    none,
    state_check_only,
    without_repeats,
)
from handrail.interventions.substitutes import Policy
from handrail.methods.contrastive.agents import latent_learner
from handrail.methods.contrastive.guide import SoftmaxGuide
from handrail.methods.contrastive.settings import StudentSettings
from handrail.methods.method import Method, table


@dataclasses.dataclass(frozen=True)
class LoadedKnowledge:
    """Knowledge as functions of a problem's observations; None where it was not brought along."""

    actions: int
    """How many there are."""
    prior: Callable[[Observation], Float[Array, " actions"]] | None = None
    """Values of all actions, or `PessimisticAdvantages`."""
    embed: Callable[[Observation], Float[Array, " latent"]] | None = None
    """The encoder."""
    initial_embeddings: Float[Array, "known latent"] | None = None
    """The unsafe embeddings that came with the encoder."""
    guide: Callable[[Observation], Float[Array, " actions"]] | None = None
    """Of a guide, each action's discounted cost, times −1."""


Build = Callable[[StudentSettings, LoadedKnowledge], Intervention]


def _nothing(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
    return none()


def _action_check(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
    safety = settings.safety
    return domain_prior(
        _there("prior", knowledge.prior), prior_prob=safety.prior_prob, threshold=safety.threshold
    )


def _both_checks(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
    safety = settings.safety
    return contrastive(
        near_unsafe(settings, knowledge), _there("prior", knowledge.prior),
        prior_prob=safety.prior_prob, threshold=safety.threshold,
    )  # fmt: skip


def _remembering(intervention: Build) -> Build:
    """The same, and what did harm is not done again, where the settings say so."""

    def built(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
        safety = settings.safety
        return without_repeats(
            intervention(settings, knowledge),
            near_unsafe(settings, knowledge), _there("prior", knowledge.prior),
            distance=safety.repeat_distance, threshold=safety.threshold,
        )  # fmt: skip

    return built


def _state_check(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
    near = near_unsafe(settings, knowledge)
    return state_check_only(near, knowledge.actions, prior_prob=settings.safety.prior_prob)


def _guided(intervention: Build) -> Build:
    """The same WHEN, and a guide acts."""

    def built(settings: StudentSettings, knowledge: LoadedKnowledge) -> Intervention:
        values = _there("guide", knowledge.guide)
        acts = Policy(SoftmaxGuide(values, settings.safety.guide_temperature))
        return Intervention(intervention(settings, knowledge).when, acts)

    return built


def near_unsafe(settings: StudentSettings, knowledge: LoadedKnowledge) -> NearUnsafe:
    """The state check that the settings describe."""
    safety = settings.safety
    initial = _there("encoder", knowledge.initial_embeddings)
    radius = (
        AdaptiveRadius(safety.max_distance, safety.quantile)
        if safety.adaptive
        else FixedRadius(safety.max_distance)
    )
    return NearUnsafe(
        embed=_there("encoder", knowledge.embed),
        initial_embeddings=initial if safety.bring_known else jnp.zeros((0, initial.shape[1])),
        radius=radius,
        neighbours=safety.neighbours,
        capacity=safety.capacity,
    )


def _there(kind: str, knowledge: Any) -> Any:
    if knowledge is None:
        raise HandrailError(f"the method needs a {kind}, and none was loaded")
    return knowledge


def with_safety(**fixed: Any) -> Callable[[StudentSettings], StudentSettings]:
    """Fixes fields of the safety settings."""

    def adjust(settings: StudentSettings) -> StudentSettings:
        return dataclasses.replace(settings, safety=dataclasses.replace(settings.safety, **fixed))

    return adjust


BOTH = ("prior", "encoder")
METHODS = table(
    (
        Method("dqn", "double DQN, nothing brought along", _nothing),
        Method("priors-0.95", "the action check in every state", _action_check, ("prior",)),
        Method(
            "priors-0.5", "the action check in every state, acted upon half of the time",
            _action_check, ("prior",), adjust=with_safety(prior_prob=0.5),
        ),
        Method(
            "ae", "double DQN on the latent of an auto-encoder", _nothing,
            agent=partial(latent_learner, variational=False),
        ),
        Method(
            "vae", "double DQN on the latent of a variational auto-encoder", _nothing,
            agent=partial(latent_learner, variational=True),
        ),
        Method("full", "the action check near unsafe states", _remembering(_both_checks), BOTH),
        Method(
            "full-adaptive", "the action check near unsafe states, at a distance that adapts",
            _remembering(_both_checks), BOTH, adjust=with_safety(adaptive=True),
        ),
        Method("state-only", "a random action near unsafe states", _state_check, ("encoder",)),
        Method("action-only", "the action check in every state", _action_check, ("prior",)),
        Method(
            "full-guide", "a guide acts near unsafe states where the action check objects",
            _remembering(_guided(_both_checks)), (*BOTH, "guide"),
        ),
        Method(
            "state-guide", "a guide acts near unsafe states", _guided(_state_check),
            ("encoder", "guide"),
        ),
    )
)  # fmt: skip
"""By name, in the order of the papers' tables."""
