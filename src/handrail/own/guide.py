"""A guide from a file in an environment that need not be one of ours."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from handrail.artifact import WHOLE, Card, load, number, part_shapes
from handrail.envs.base import BoxActions
from handrail.envs.host_spaces import ObservationCodec, action_codec
from handrail.envs.raw import environment_name
from handrail.envs.transfer import AbstractView, SameView, View
from handrail.equations.budget import discounted_limit
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.agents import LIMIT_STEPS
from handrail.experiments.navigation.guide import Guide, networks_of
from handrail.experiments.navigation.guide_card import critic_discount, limits_of
from handrail.experiments.navigation.settings import EARLY
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import budget_switch, control_switch, linear_decay
from handrail.own.environments import Host

RECIPES = ("control-switch", "linear-decay", "budget-switch")


@dataclasses.dataclass(frozen=True)
class Interface:
    """What a guide has to fit: observation and actions as an agent of ours has them."""

    name: str
    observation: Any  # of zeros
    actions: Any
    bounds: dict[str, list[float]]

    @staticmethod
    def of(env: Any, parts: Sequence[str] | None = None) -> "Interface":
        """Of a Gymnasium environment, of which `parts` are observed."""
        name = environment_name(env)
        try:
            actions = action_codec(env.action_space)
            observation = ObservationCodec(env.observation_space, parts).zeros()
        except HandrailError as error:
            raise HandrailError(f"{name}: {error}") from None
        return Interface(name, observation, actions.actions, actions.bounds())

    @staticmethod
    def of_host(host: Host) -> "Interface":
        """Of an environment on the host, or of several side by side."""
        return Interface(host.name, host.observation_zeros(), host.actions, host.action_bounds)


@dataclasses.dataclass(frozen=True)
class LoadedGuide:
    """A guide, what its file says, and the units of its cost critic."""

    card: Card
    guide: Guide
    limit: float
    """Expected cost of an episode it was trained for, undiscounted."""
    limit_steps: int
    """Steps of the episode that limits are for."""
    limits: dict[str, float]
    """Limits of several costs, by name; empty where it knows one cost."""
    foreseen: float | None
    """The discounted cost at which it takes over where it is tried as a guard, if its file says."""

    def under(self, limits: Mapping[str, float], *, source: str) -> Guide:
        """The guide where these are the limits, by name (none where there is one cost).

        Raises `HandrailError` if it was trained for other costs, or for a higher limit of one.
        """
        if list(self.limits) != sorted(limits):
            raise HandrailError(
                f"{source}: the guide was trained for {_costs(self.limits)}, the environment has "
                f"{_costs(limits)}; train a guide with limits for the same costs"
            )
        for name, own in self.limits.items():
            if own > limits[name]:
                raise HandrailError(
                    f"{source}: the guide was trained for a limit of {own:g} of {name!r}, but the "
                    f"student's is {limits[name]:g}; train a guide for at most that"
                )
        if not limits:
            return self.guide
        # its critics expect c · min d⋄ / d⋄; what is compared is c · min d⊙ / d⊙
        lowest, here = min(self.limits.values()), min(limits.values())
        scales = tuple(here / limits[name] * own / lowest for name, own in self.limits.items())
        return dataclasses.replace(self.guide, scales=scales)


def load_fitting(
    path: Path, interface: Interface, *, view: Callable[[Any], Any] | None = None
) -> LoadedGuide:
    """The guide of a file, for an environment with this interface, seen through `view`.

    Without a view the guide sees the parts with the names that it knows. Raises
    `HandrailError`, naming both sides, where parts, their shapes, the actions or what they stand
    for differ.
    """
    card, arrays = load(path, expect="guide")
    expected = card.spec.get("parts")
    if not isinstance(expected, dict):
        raise HandrailError(f"{path}: the card's parts are {expected!r}, expected names and shapes")
    view = _default_view(expected, interface) if view is None else view
    seen = part_shapes(jax.eval_shape(view, interface.observation))
    if seen != expected:
        raise HandrailError(
            f"{path} does not fit {interface.name}: the guide observes {_text(expected)}, "
            f"but sees {_text(seen)}; give the view that turns one into the other"
        )
    _check_actions(path, card, interface)
    return LoadedGuide(
        card=card,
        guide=Guide(
            networks_of(card, arrays, source=str(path)),
            _as_view(view),
            critic_discount(card, source=str(path)),
        ),
        limit=number(card.spec.get("limit"), f"{path}: the card's limit"),
        limit_steps=int(
            number(card.spec.get("limit_steps", LIMIT_STEPS), f"{path}: the card's limit_steps")
        ),
        limits=limits_of(card, source=str(path)),
        foreseen=_foreseen(card, source=str(path)),
    )


def intervention_of(
    loaded: LoadedGuide, recipe: str, *, limit: float | None = None, threshold: float | None = None
) -> Intervention:
    """A named intervention with this guide.

    `limit` is the cost of an episode that is allowed, undiscounted (by default the guide's own);
    `threshold` is budget-switch's multiple of it, on the discounted scale of the critic. By
    default it hands over where the guide was tried as a guard, at the cost of two steps: in short
    episodes twice the limit is more than an episode may cost. A guide whose file does not say
    that takes over at twice the limit.
    """
    if recipe not in RECIPES:
        raise UnknownName("recipe", recipe, RECIPES)
    guide = loaded.guide
    if recipe == "control-switch":
        return control_switch(guide.policy)
    if recipe == "linear-decay":
        return linear_decay(guide.policy)
    allowed = loaded.limit if limit is None else limit
    scaled = loaded.foreseen
    if threshold is not None or scaled is None:
        multiple = EARLY if threshold is None else threshold
        scaled = multiple * discounted_limit(allowed, guide.discount, loaded.limit_steps)
    return budget_switch(guide.policy, guide.cost, threshold=scaled, limit=allowed)


def guide_intervention(
    path: Path,
    env: Any,
    *,
    recipe: str,
    limit: float | None = None,
    threshold: float | None = None,
    view: Callable[[Any], Any] | None = None,
    parts: Sequence[str] | None = None,
) -> Intervention:
    """A named intervention with the guide of a file, for a Gymnasium environment."""
    loaded = load_fitting(path, Interface.of(env, parts), view=view)
    return intervention_of(loaded, recipe, limit=limit, threshold=threshold)


class _Function(AbstractView):
    """A user's function as a view."""

    function: Callable[[Any], Any]

    def __call__(self, observation: Any) -> Any:
        return self.function(observation)

    def completed(self, source: Any, target: Any) -> Any:
        raise HandrailError(
            "a function of the observation cannot be undone: give the view as named parts "
            "(handrail.View)"
        )


def _foreseen(card: Card, *, source: str) -> float | None:
    evaluation = card.training.get("evaluation")
    found = evaluation.get("foreseen") if isinstance(evaluation, dict) else None
    if not found:  # it does not say, or the guide has never met a cost
        return None
    return number(found, f"{source}: the card's foreseen cost")


def _as_view(view: Callable[[Any], Any]) -> AbstractView:
    return view if isinstance(view, AbstractView) else _Function(view)


def _default_view(expected: dict[str, Any], interface: Interface) -> AbstractView:
    seen = interface.observation
    # goal environments have a part that is called like an observation without parts
    if isinstance(seen, Mapping) and (set(expected) != {WHOLE} or WHOLE in seen):
        return View.keep(sorted(expected))
    return SameView()


def _check_actions(path: Path, card: Card, interface: Interface) -> None:
    size = card.spec.get("actions")
    if not isinstance(interface.actions, BoxActions) or size != interface.actions.size:
        what = (
            f"{interface.actions.size} numbers"
            if isinstance(interface.actions, BoxActions)
            else f"one of {interface.actions.n} discrete actions"
        )
        raise HandrailError(
            f"{path} does not fit {interface.name}: the guide acts with {size} numbers, "
            f"an action there is {what}"
        )
    bounds = card.spec.get("action_bounds")
    if bounds is not None and bounds != interface.bounds:
        raise HandrailError(
            f"{path} does not fit {interface.name}: the guide's actions are for bounds "
            f"{_bounds(bounds)}, those there are {_bounds(interface.bounds)}; "
            "rescale the actions of one of the environments"
        )


def _text(parts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in parts.items()) or "nothing"


def _costs(limits: Mapping[str, float]) -> str:
    return f"the costs {', '.join(sorted(limits))}" if limits else "one cost"


def _bounds(bounds: Any) -> str:
    if not isinstance(bounds, dict) or not bounds:
        return "of no Box"
    return f"from {bounds.get('low')} to {bounds.get('high')}"
