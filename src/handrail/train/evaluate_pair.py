"""Evaluation of a policy together with its intervention, from which nothing is learnt."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHost, AnyEnvironment
from handrail.interventions.adaptive_share import AdaptiveShare
from handrail.interventions.base import Intervention
from handrail.interventions.overruled import Overruled
from handrail.interventions.substitutes import in_agent_units
from handrail.interventions.triggers import LinearDecay, Never
from handrail.train.numbers import name_of, refuse_bad_episodes
from handrail.train.rollout.base import (
    EpisodeIntervention,
    Episodes,
    EveryEpisode,
    RolloutPolicy,
    unassisted,
)
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host


def try_under(
    environment: AnyEnvironment,
    policy: RolloutPolicy,
    intervention: Intervention,
    *,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Episodes:
    """Whole episodes of a policy under an intervention, compiled or on the host.

    On the host an episode is cut off after `longest` steps. Raises `HandrailError` for an
    intervention that never acts, or that has faded out by the end of a run.
    """
    check_lasting(intervention)
    if _never(intervention):
        raise HandrailError(
            "this run has no intervention, so there is no pair to test: leave --shielded out"
        )
    keys = jax.random.split(key, episodes)
    if isinstance(environment, AbstractHost):
        shield = EveryEpisode(in_agent_units(intervention, environment.agent_form))
        return rollout_on_host(environment, Compiled(policy, shield), keys=keys, longest=longest)
    agent_form = getattr(environment, "agent_form", None)
    shield = intervention if agent_form is None else in_agent_units(intervention, agent_form)
    return try_compiled(environment, policy, EveryEpisode(shield), keys=keys)


class FadedOut(HandrailError):
    """An intervention of which nothing is known once its run is over."""


def check_lasting(intervention: Intervention) -> None:
    """Raises `FadedOut` for an intervention that fades with its run: there is no pair to test or
    to show.
    """
    if any(map(_fades, jax.tree.leaves(intervention, is_leaf=_fades))):
        raise FadedOut(
            "the intervention of this run fades out with it (linear-decay, adaptive-share): "
            "afterwards there is the student alone; leave --shielded and --both out"
        )


def _never(intervention: Intervention) -> bool:
    first = not isinstance(intervention, Overruled) or _never(intervention.first)
    return first and isinstance(intervention.when, Never)


def _fades(part: Any) -> bool:
    return isinstance(part, LinearDecay | AdaptiveShare)


def try_compiled(
    environment: AbstractEnvironment,
    policy: RolloutPolicy,
    intervention: EpisodeIntervention = unassisted,
    *,
    keys: Key[Array, " episodes"],
) -> Episodes:
    """Whole episodes in a compiled environment, by default of the policy alone. Raises
    `HandrailError` for costs and rewards that are no numbers.
    """
    done = _compiled(environment, policy, intervention, keys)
    refuse_bad_episodes(done, name_of(environment))
    return done


@eqx.filter_jit
def _compiled(
    environment: AbstractEnvironment, policy: Any, shield: Any, keys: Key[Array, " episodes"]
) -> Episodes:
    return rollout(environment, policy, shield, keys=keys)
