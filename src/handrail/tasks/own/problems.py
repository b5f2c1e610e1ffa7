"""What is named in settings, built: source and target in environments of the user's."""

from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import Positive, converted, override
from handrail.core.errors import HandrailError
from handrail.core.identity import passed_in
from handrail.core.recorded import BUILT_BY
from handrail.envs.gymnasium.bonus import BonusFn
from handrail.envs.gymnasium.building import (
    Host,
    build_host,
    built_twice,
    episode_limit,
    episode_steps,
    needs_box,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.named import attribute, factory
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.interventions.base import Intervention
from handrail.interventions.with_info import info_names
from handrail.methods.sagui.own_problems import source_in, target_in
from handrail.methods.sagui.problem import Source, Target
from handrail.tasks.own.discrete_settings import OwnDqn, OwnEncoder, OwnPrior
from handrail.tasks.own.settings import OwnGuide, OwnSourceEncoder, OwnStudent

BONUS = "a function (obs, action, next_obs) -> number"
VIEW = "a function of the observation, such as handrail.View.keep(['position'])"
SHIELD = "an intervention, WHEN × WHAT, such as handrail.shield(condition, policy)"

Settings = OwnStudent | OwnGuide | OwnSourceEncoder | OwnDqn | OwnPrior | OwnEncoder


def options_of(settings: Settings) -> dict[str, Any]:
    """How the settings say that an environment is read: the options of `build_host`.

    Imports what they name. Raises `HandrailError` where there is no such thing.
    """
    shield = shield_of(settings) if isinstance(settings, OwnStudent | OwnDqn) else None
    masked = getattr(settings, "action_mask", False)
    return {
        "cost": attribute(settings.cost_fn, "cost_fn") if settings.cost_fn else None,
        "limits": _limits(settings.limits),
        "parts": list(settings.parts) or None,
        "episode_length": settings.episode_length or None,
        "info_columns": getattr(settings, "info_columns", ()),
        "side_info": SideInfo(info_names(shield), masked),
    }


def check_names(settings: Settings) -> None:
    """Raises `HandrailError` where something that the settings name cannot be imported."""
    factory(settings.environment)
    options_of(settings)
    for name in getattr(settings, "sources", ()):
        factory(name)
    if isinstance(settings, OwnGuide):
        _bonus(settings)
    elif isinstance(settings, OwnStudent):
        _view(settings)


def host_of_run(run: OwnStudent | OwnGuide) -> Host:
    """An environment of the run. Call it within `closes_environments`."""
    host = build_host(factory(run.environment), **options_of(run))
    needs_box(host)
    return host


def length_of(run: OwnStudent | OwnGuide) -> int:
    """Steps of an episode. Call it within `closes_environments`."""
    return run.episode_length or episode_steps(host_of_run(run), None)


def limit_of(settings: OwnStudent | OwnGuide) -> float:
    """The limit of an episode, undiscounted; of several costs the smallest."""
    limits = _limits(settings.limits)
    return settings.limit if limits is None else min(limits.values())


def target_of(run: OwnStudent) -> tuple[Target, dict[str, Any]]:
    """Where a student is trained and tested, and the description of what was passed in.

    Call it within `closes_environments`.
    """
    host, trial, longest, cost = _environments(run)
    episode_limit(host, None if run.limits else run.limit)
    view, shield = _view(run), shield_of(run)
    target = target_in(host, trial, longest, name=run.environment, view=view, shield=shield)
    return target, passed_by_name(host, run.environment, view=view, cost=cost, shield=shield)


def source_of(settings: OwnGuide) -> tuple[Source, OwnGuide, dict[str, Any]]:
    """Where a guide is trained and tested, its settings with the limit of several costs and the
    length of episodes, and the description of what was passed in.

    Call it within `closes_environments`.
    """
    host, trial, longest, cost = _environments(settings)
    allowed = episode_limit(host, None if settings.limits else settings.limit)
    bonus = _bonus(settings)
    source = source_in(
        host, trial, longest, bonus=bonus, rescue_share=settings.rescue.share,
        name=settings.environment,
    )  # fmt: skip
    known = override(settings, {"limit": allowed, "episode_length": longest})
    return source, known, passed_by_name(host, settings.environment, bonus=bonus, cost=cost)


def encoder_source_of(
    settings: OwnSourceEncoder,
) -> tuple[Source, OwnSourceEncoder, dict[str, Any]]:
    """Where an encoder is trained, its settings with the length of episodes, and the description
    of what was passed in.

    Call it within `closes_environments`.
    """
    host, trial, longest, cost = _environments(settings)
    source = source_in(
        host, trial, longest, bonus=None, rescue_share=settings.rescue_share,
        name=settings.environment,
    )  # fmt: skip
    known = override(settings, {"episode_length": longest})
    return source, known, passed_by_name(host, settings.environment, cost=cost)


def _environments(
    settings: OwnStudent | OwnGuide | OwnSourceEncoder,
) -> tuple[Host, Host, int, CostFn | None]:
    """One for training, one for tests, the steps of an episode, and what says its cost."""
    options = options_of(settings)
    warns = isinstance(settings, OwnSourceEncoder) or not settings.learning.normalise_observations
    host, trial = built_twice(factory(settings.environment), warn_of_scales=warns, **options)
    needs_box(host)
    return host, trial, episode_steps(host, options["episode_length"]), options["cost"]


def passed_by_name(host: Host, name: str, **brought: Any) -> dict[str, Any]:
    """The description of what was passed in, of what there is; of the environment that a name
    stands for also what builds it.
    """
    given = {what: it for what, it in brought.items() if it is not None}
    return passed_in(host, name, **given, **{BUILT_BY: factory(name)})


def _limits(entries: tuple[str, ...]) -> Mapping[str, float] | None:
    """Limits by the name of their cost; None where there is one cost."""
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        try:
            found[name.strip()] = converted(float(value), Positive, "limits")
        except (ValueError, HandrailError):
            equals = ""
        if not equals or not name.strip():
            raise HandrailError(
                f"limits has the entry {entry!r}: expected a cost's name and limit, such as "
                "'heat=5.0'"
            )
    return found or None


def _bonus(settings: OwnGuide) -> BonusFn | str | None:
    named = settings.bonus_fn
    if ":" not in named:
        return named or None  # a part of the observation
    return attribute(named, "guide.bonus_fn", BONUS)


def _view(run: OwnStudent) -> Any:
    return attribute(run.view, "view", VIEW) if run.view else None


def shield_of(run: OwnStudent | OwnDqn) -> Intervention | None:
    """The intervention of the user's that a run names, if it names one."""
    if not run.shield:
        return None
    found = attribute(run.shield, "shield", SHIELD)
    if not isinstance(found, Intervention):
        raise HandrailError(f"shield {run.shield!r} is a {type(found).__name__}; expected {SHIELD}")
    return found
