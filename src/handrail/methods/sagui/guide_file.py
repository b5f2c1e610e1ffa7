"""The file of a guide: one way to write it, and one to load it with all its checks."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from handrail.core.arguments import Range, number
from handrail.core.artifact import Card, fill, load, part_shapes, save
from handrail.core.errors import HandrailError
from handrail.envs.base import ActionSpace, BoxActions, DiscreteActions
from handrail.envs.transfer import TransferProblem
from handrail.equations.budget import discounted_limit
from handrail.methods.image_cards import check_images, how_to_resize, seen_images
from handrail.methods.sagui.cards import (
    Limits,
    Networks,
    built_as,
    card_of,
    check_bounds,
    harm_of,
    read_discount,
    read_reward_scale,
    read_takeover_cost,
    scales,
    trained_discount,
)
from handrail.methods.sagui.guide import Guide, GuideNetworks, total_size
from handrail.methods.sagui.guide_view import as_view, default_view
from handrail.methods.sagui.outside_guide import (
    OutsideGuide,
    PolicyGuide,
    check_outside_actions,
    is_outside,
    outside_critics,
)
from handrail.methods.sagui.problem import Interface, interface_of
from handrail.methods.sagui.settings import EARLY
from handrail.methods.sagui.takeover import Takeover, check_scale
from handrail.methods.sagui.takeover_settings import PLAIN, TakeoverSettings

GUIDE = "guide.safetensors"


@dataclasses.dataclass(frozen=True)
class GuideFile:
    """A guide, what its file says, and where it is to act."""

    card: Card
    guide: Guide | OutsideGuide
    limits: Limits
    takeover_cost: float | None
    """The discounted cost at which its shield test took over, if its file says."""
    interface: Interface
    source: str

    @property
    def episode_length(self) -> int:
        """Steps of the episode that limits here are for; the guide's own where nothing is said."""
        return self.interface.episode_length or self.limits.steps

    def allowed(self, limit: float | None) -> float:
        """The limit of an episode here: as given, or what the guide was trained for.

        Raises `HandrailError` if a step may cost less here than where the guide was trained.
        """
        own, steps, here = self.limits.limit, self.limits.steps, self.episode_length
        if limit is None:
            return own * here / steps
        limit = number("limit", limit)
        if own / steps > limit / here * (1 + 1e-9):
            per_step = "" if here == steps else f", of {here:,} steps, which is less a step"
            of = "" if here == steps else f" of {steps:,} steps"
            raise HandrailError(
                f"{self.source}: the guide was trained for a cost limit of {own:g} an episode{of}, "
                f"but the student's is {limit:g}{per_step}; train a guide for at most that, or "
                "raise limit"
            )
        return limit

    def takeover(
        self,
        limit: float,
        threshold: float | None,
        takeover_cost: float | None = None,
        how: TakeoverSettings = PLAIN,
    ) -> Takeover:
        """Where it takes over: at this predicted discounted cost, or at `threshold` multiples of
        the limit on its critic's scale. Both are refused, and a cost that its critic never
        predicts.

        Without either at the cost that its file says, from its shield test, or where it does not
        say that, at twice the limit.
        """
        if takeover_cost is not None:
            number("takeover_cost", takeover_cost, Range(0, above=True))
            if threshold is not None:
                raise HandrailError(
                    f"threshold is {threshold} and takeover_cost is {takeover_cost}: both say where"
                    " the guide takes over; leave one out"
                )
            discount, harm = self.guide.discount, harm_of(self.card)
            check_scale(self.source, "takeover_cost", float(takeover_cost), discount, harm)
        if threshold is not None:
            number("threshold", threshold)
        predicted = self.takeover_cost if takeover_cost is None else float(takeover_cost)
        if threshold is None and predicted is not None:
            return Takeover(limit, predicted, self.episode_length, how)
        return Takeover.of(limit, threshold, self.guide.discount, self.episode_length, how)

    def check_threshold(self, limit: float, threshold: float | None) -> None:
        """Refuses multiples of the limit, above the usual ones, that its critic never predicts."""
        if threshold is None or number("threshold", threshold) <= EARLY:
            return  # then it is the limit that nothing exceeds
        discount = self.guide.discount
        predicted = threshold * discounted_limit(limit, discount, self.episode_length)
        name = f"threshold {threshold:g} times the limit, discounted,"
        check_scale(self.source, name, predicted, discount, harm_of(self.card))


def save_guide(
    path: Path,
    guide: Guide | GuideNetworks,
    problem: TransferProblem,
    *,
    hidden: tuple[int, ...],
    limit: float,
    discount: float | None = None,
    limit_steps: int | None = None,
    training: dict[str, Any] | None = None,
) -> None:
    """Writes a guide for the problem's source: actor, critics, and a card that says what it fits.

    Args:
        path: the file.
        guide: it, or its networks.
        problem: whose source it was trained in.
        hidden: widths of its layers.
        limit: expected cost of an episode that it was trained for, undiscounted.
        discount: γ per step of its critics; by default the guide's own, or what `training` says.
        limit_steps: steps of that episode; by default the length of the source's episodes.
        training: how it came about, in whatever JSON can hold.

    Raises `HandrailError` where nothing says the discount: thresholds and students depend on it.
    """
    interface, training = interface_of(problem.source, name=problem.name), training or {}
    networks = guide.networks if isinstance(guide, Guide) else guide
    if discount is None:
        discount = guide.discount if isinstance(guide, Guide) else trained_discount(training)
    if discount is None:
        raise HandrailError(
            "save_guide needs `discount`, by which the guide's critics count (such as 0.99): give "
            "it, or the guide itself in place of its networks"
        )
    steps = limit_steps or interface.episode_length
    if steps is None:
        raise HandrailError(
            f"save_guide needs `limit_steps`, the steps of the episode that limit={limit:g} is "
            f"for: {problem.name} does not say how long its episodes are"
        )
    built = built_as(networks, interface, hidden)
    write_guide(
        path, networks, interface, built, Limits(limit, steps),
        discount=discount, takeover_cost=None, training=training,
    )  # fmt: skip


def write_guide(
    path: Path,
    networks: GuideNetworks,
    interface: Interface,
    built: Networks,
    limits: Limits,
    *,
    discount: float,
    takeover_cost: float | None,
    training: dict[str, Any],
) -> None:
    """Writes the file of a guide that was trained where the interface is."""
    tried = {} if takeover_cost is None else {"takeover_cost": takeover_cost}
    card = card_of("guide", interface, built, limits, training=training, discount=discount, **tried)
    save(path, card, networks)


def load_guide(path: Path | str, problem: TransferProblem, *, limit: float | None = None) -> Guide:
    """A guide that fits the problem: it saw what the view gives, and has the same actions.

    With `limit`, the student's (undiscounted, of an episode of the target), a guide that was
    trained for a higher one is refused. Raises `HandrailError`, naming both sides.
    """
    interface = interface_of(problem.target, name=problem.name)
    found = open_guide(Path(path), interface, view=problem.view)
    if limit is not None:
        found.allowed(limit)
    assert isinstance(found.guide, Guide)  # a path alone is no `PolicyGuide`
    return found.guide


def open_guide(
    path: Path | PolicyGuide, interface: Interface, *, view: Callable[[Any], Any] | None = None
) -> GuideFile:
    """The guide of a file, for an environment with this interface, seen through `view`.

    A `PolicyGuide` has the file and the policy of the user's that it is about. Without a view the
    guide sees the parts with the names that it knows. Raises `HandrailError`, naming both sides,
    where parts, their shapes, the actions, what they stand for, or the costs and their limits do
    not fit.
    """
    outside, path = (path, path.file) if isinstance(path, PolicyGuide) else (None, path)
    card, arrays = load(path, expect="guide")
    source = str(path)
    if is_outside(card) and outside is None:
        raise HandrailError(
            f"{path}: the policy of this guide is Python of its user's, and not in the file: give "
            "what handrail.guide_from_policy returns"
        )
    expected = _checked_parts(card, source)
    if view is None:
        view = default_view(expected, interface)
    elif not callable(view):
        raise HandrailError(
            f"view is {view!r}; expected a function of the observation, such as "
            "handrail.View.keep(['position'])"
        )
    seen = part_shapes(jax.eval_shape(view, interface.observation))
    if seen != expected:
        raise HandrailError(
            f"{path} does not fit {interface.name}: the guide observes {_text(expected)}, "
            f"but sees {_text(seen)}; give the view that turns one into the other"
            + how_to_resize(expected, seen)
        )
    _check_actions(path, card, interface)
    limits = Limits.read(card, source=source)
    factors = scales(limits, interface, source=source)
    discount, several = read_discount(card, source=source), max(len(limits.several), 1)
    guide: Guide | OutsideGuide
    if outside is None:
        networks = _networks(
            card, arrays, expected, interface, view, costs=several, source=source
        )  # fmt: skip
        scale = read_reward_scale(card, source=source)
        guide = Guide(networks, as_view(view), discount, reward_scale=scale)
    else:
        critics = outside_critics(card, arrays, expected, costs=several, source=source)
        actions = interface.actions
        choices = actions.n if isinstance(actions, DiscreteActions) else 0
        guide = OutsideGuide(outside.policy(), critics, as_view(view), discount, choices=choices)
    return GuideFile(
        card=card,
        guide=dataclasses.replace(guide, scales=factors) if factors else guide,
        limits=limits,
        takeover_cost=read_takeover_cost(card, factors, source=source),
        interface=interface,
        source=source,
    )


def _checked_parts(card: Card, source: str) -> dict[str, list[int]]:
    parts = card.spec.get("parts")
    if not isinstance(parts, dict) or not parts:
        raise HandrailError(f"{source}: the card's parts are {parts!r}, expected names and shapes")
    for name, shape in parts.items():
        if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**20 for n in shape):
            raise HandrailError(
                f"{source}: the card's part {name!r} has the shape {shape!r}, expected a list of "
                "whole numbers"
            )
    return parts


def _networks(
    card: Card,
    arrays: dict[str, Any],
    parts: dict[str, list[int]],
    interface: Interface,
    view: Callable[[Any], Any],
    *,
    costs: int,
    source: str,
) -> GuideNetworks:
    built = Networks.read(card, source=source)
    seen = jax.eval_shape(view, interface.observation)
    here = seen_images(view, interface.images)
    check_images(built.pictures, here, seen, source=source, where=interface.name)
    fresh = eqx.filter_eval_shape(
        GuideNetworks.fresh,
        total_size(parts),
        card.spec["actions"],
        built.hidden,
        costs=costs,
        cost_critic=built.cost_critic,
        cost_critics=built.cost_critics,
        inputs=built.reader(parts),
        key=jax.random.key(0),
    )
    return fill(fresh, arrays, source=source)


def _check_actions(path: Path, card: Card, interface: Interface) -> None:
    if is_outside(card):
        check_outside_actions(path, card, interface.actions)
        check_bounds(path, card, interface)
        return
    size, actions = card.spec.get("actions"), interface.actions
    if type(size) is not int or not isinstance(actions, BoxActions) or size != actions.size:
        raise HandrailError(
            f"{path} does not fit {interface.name}: the guide acts with {size!r} numbers, "
            f"an action there is {_acts(actions)}"
        )
    check_bounds(path, card, interface)


def _acts(actions: ActionSpace) -> str:
    if isinstance(actions, BoxActions):
        return f"{actions.size} numbers"
    return f"one of {actions.n} discrete actions"


def _text(parts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in parts.items()) or "nothing"
