"""What the cards of guides and policies say: written and read in one place.

Files from others are data: everything is checked before it is used. Whatever decides how a guide
acts is part of its specification; `training` says only how it came about.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from handrail.core.artifact import Card, load, number, part_shapes, widths
from handrail.core.errors import HandrailError
from handrail.envs.base import action_size
from handrail.equations.budget import LIMIT_STEPS
from handrail.learners.sac.networks import COST_CRITICS, CostCritic
from handrail.methods.image_cards import image_entries, read_image_entries
from handrail.methods.sagui.inputs import kind_of, reading_of
from handrail.methods.sagui.problem import Interface
from handrail.methods.sagui.settings import Inputs, SacSettings
from handrail.networks.gaussian import Inputs as NetworkInputs
from handrail.networks.image_network import ImageNetwork, Images
from handrail.networks.reading import ReadInputs

LOG = logging.getLogger(__name__)
IMAGES = ImageNetwork()
MOST_CRITICS = 1_000  # that a file may claim for each cost
DISCOUNT = 0.99  # of guides whose files do not say: those of the paper


@dataclasses.dataclass(frozen=True)
class Networks:
    """What is needed to build the networks of a file again."""

    hidden: tuple[int, ...]
    cost_critic: CostCritic = "linear"
    inputs: Inputs = "raw"
    cost_critics: int = 1
    images: ImageNetwork = IMAGES
    normalise_observations: bool = False
    pictures: Images = dataclasses.field(default_factory=dict)
    """The images that `images` reads."""

    @staticmethod
    def of(learning: SacSettings, where: Interface | None = None) -> "Networks":
        """Those of a learner with these settings; without `where` observations are vectors."""
        return Networks(
            learning.hidden, learning.cost_critic, learning.inputs, learning.cost_critics,
            learning.images, learning.normalise_observations, {} if where is None else where.images,
        )  # fmt: skip

    @staticmethod
    def read(card: Card, *, source: str) -> "Networks":
        """As a card says; files of earlier versions may leave kinds out."""
        return Networks(
            widths(card, "hidden", source=source),
            _named(card, "cost_critic", COST_CRITICS, source=source),
            _named(card, "inputs", get_args(Inputs), source=source),
            _cost_critics(card, source=source),
            *_images(card, source=source),
        )

    def entries(self) -> dict[str, Any]:
        """What a card says of them; one critic a cost goes without saying, as in older files."""
        normalised = self.normalise_observations
        several = {} if self.cost_critics == 1 else {"cost_critics": self.cost_critics}
        return {
            "hidden": list(self.hidden),
            "cost_critic": self.cost_critic,
            "inputs": self.inputs,
            **several,
            **image_entries(self.images, self.pictures, normalised=normalised),
        }

    def reader(self, parts: Mapping[str, Any]) -> NetworkInputs:
        """What they read of an observation with these parts."""
        return reading_of(self, parts, self.pictures, parts)


def built_as(networks: Any, where: Interface, hidden: tuple[int, ...]) -> Networks:
    """How a guide's networks were built. Raises `HandrailError` where no card can say it."""
    reads, critics = networks.actor.inputs, networks.critics
    if isinstance(reads, ReadInputs):
        found = reads.reading
        return Networks(
            hidden, critics.cost_critic, "raw", critics.cost_critics,
            found.network, found.normalised, where.images,
        )  # fmt: skip
    read = kind_of(reads, part_shapes(where.observation))
    return Networks(hidden, critics.cost_critic, read, critics.cost_critics)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a policy was trained to cost, and in which units."""

    limit: float
    """Expected cost of an episode, undiscounted; of several costs that of the smallest limit."""
    steps: int
    """Steps of the episode that limits are for."""
    several: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Limits of several costs by name, in the order of their critics; empty where there is one."""

    @staticmethod
    def read(card: Card, *, source: str) -> "Limits":
        """As a card says, checked."""
        limit = number(card.spec.get("limit"), f"{source}: the card's limit", least=0)
        said = card.spec.get("limit_steps", LIMIT_STEPS)
        steps = number(said, f"{source}: the card's limit_steps", least=1, most=2**31 - 1)
        return Limits(limit, int(steps), _several(card, source=source))

    def entries(self) -> dict[str, Any]:
        """What a card says of them."""
        own = {"limit": self.limit, "limit_steps": self.steps}
        return {**own, "limits": dict(self.several)} if self.several else own


def card_of(
    kind: str,
    interface: Interface,
    networks: Networks,
    limits: Limits,
    *,
    training: dict[str, Any],
    **spec: Any,
) -> Card:
    """The card of networks that were trained where the interface is, within these limits.

    `spec` are further entries of the specification, such as a guide's `discount`.
    """
    bounds = {} if interface.bounds is None else {"action_bounds": interface.bounds}
    return Card(
        kind=kind,
        spec={**spec_of(interface), **bounds, "view": "named parts", **limits.entries(), **spec},
        network=networks.entries(),
        training=training,
    )


def spec_of(interface: Interface) -> dict[str, Any]:
    """What a file has to say to fit: parts and their shapes, numbers of an action."""
    return {"parts": part_shapes(interface.observation), "actions": action_size(interface.actions)}


def check_bounds(path: Path, card: Card, interface: Interface) -> None:
    """Refuses actions that were learnt for a Box of other bounds."""
    bounds, here = card.spec.get("action_bounds"), interface.bounds
    if bounds is None or here is None or bounds == here:
        return
    own = (
        f"from {bounds.get('low')} to {bounds.get('high')}"
        if isinstance(bounds, dict) and bounds
        else "of no Box"
    )
    raise HandrailError(
        f"{path} does not fit {interface.name}: its actions are for bounds {own}, those there are "
        f"from {here['low']} to {here['high']}; rescale the actions of one of the environments"
    )


def read_discount(card: Card, *, source: str) -> float:
    """γ per step of a guide's critics; files of earlier versions have it in their training."""
    value = card.spec.get("discount")
    value = trained_discount(card.training) if value is None else value
    if value is None:
        LOG.warning(
            "%s: the file does not say by which discount its critics count; taken to be %g, the "
            "paper's. Save it again with `discount` to be sure", source, DISCOUNT,
        )  # fmt: skip
        return DISCOUNT
    return number(value, f"{source}: the card's discount", least=0, most=1)


def trained_discount(training: Any) -> Any:
    """γ as a record of a training says it; None if it does not."""
    return _learnt(training, "discount")


def read_reward_scale(card: Card, *, source: str) -> float:
    """What a guide's critics count rewards times; 1 where the file does not say."""
    scale = _learnt(card.training, "reward_scale")
    what = f"{source}: the card's reward_scale"
    found = 1.0 if scale is None else number(scale, what, least=0)
    if not found:
        raise HandrailError(f"{what} is 0, expected a positive number")
    return found


def _learnt(training: Any, setting: str) -> Any:
    """A setting of the learner in a record of a training; None where it says none."""
    for name in ("settings", "learning", setting):
        training = training.get(name) if isinstance(training, dict) else None
    return training


def read_takeover_cost(card: Card, factors: tuple[float, ...], *, source: str) -> float | None:
    """The discounted cost at which its shield test took over; None where the file does not say.

    With `factors`, by which its critics of several costs are multiplied: so that it takes over for
    none of them later than in the test.
    """
    evaluation = card.training.get("evaluation")
    earlier = evaluation.get("takeover_cost") if isinstance(evaluation, dict) else None
    found = card.spec.get("takeover_cost", earlier)
    if found is None or found == 0:  # it does not say, or the guide has never met a cost
        return None
    return number(found, f"{source}: the card's takeover cost", least=0) * min(factors, default=1)


def harm_of(card: Card) -> float | None:
    """What a step of harm cost on average in a guide's training: half of what its first shield test
    took over at. None where the file does not say.
    """
    evaluation, tests = card.training.get("evaluation"), card.training.get("takeovers")
    first = tests[0] if isinstance(tests, list) and tests else evaluation
    found = first.get("takeover_cost") if isinstance(first, dict) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return found / 2 if 0 < found < math.inf else None


def scales(limits: Limits, interface: Interface, *, source: str) -> tuple[float, ...]:
    """What the critics of several costs are multiplied with to be compared here; none for one cost.

    Raises `HandrailError` if the guide was trained for other costs, or for a higher limit of one.
    """
    here, own = interface.limits, limits.several
    if list(own) != sorted(here):
        raise HandrailError(
            f"{source}: the guide was trained for {_costs(own)}, the environment has "
            f"{_costs(here)}; train a guide with limits for the same costs"
        )
    length = interface.episode_length or limits.steps
    for name, limit in own.items():
        if limit / limits.steps > here[name] / length * (1 + 1e-9):
            raise HandrailError(
                f"{source}: the guide was trained for a limit of {limit:g} of {name!r} in "
                f"{limits.steps:,} steps, but the student's is {here[name]:g} in {length:,}; train "
                "a guide for at most that"
            )
    if not own:
        return ()
    # its critics expect c · min d⋄ / d⋄; what is compared is c · min d⊙ / d⊙
    lowest, smallest = min(own.values()), min(here.values())
    return tuple(smallest / here[name] * limit / lowest for name, limit in own.items())


def guide_warnings(files: Mapping[str, Path], limit: float, steps: int) -> list[str]:
    """`warnings_of` the guide among these files of knowledge; nothing where there is none."""
    if "guide" not in files:
        return []
    return warnings_of(load(files["guide"], expect="guide")[0], limit, steps)


def warnings_of(card: Card, limit: float, steps: int) -> list[str]:
    """What a guide's shield test says against a student of this limit, in words.

    `limit` is undiscounted, of an episode of `steps` steps.
    """
    evaluation = card.training.get("evaluation")
    cost = evaluation.get("shielded_cost") if isinstance(evaluation, dict) else None
    own = card.spec.get("limit_steps", LIMIT_STEPS)
    if isinstance(cost, bool) or not isinstance(cost, (int, float)):
        return []
    if type(own) is not int or own < 1:  # refused where the guide is opened
        return []
    if not cost / own > limit / steps:
        return []
    where = f"{limit:g}" if own == steps else f"{limit:g} in {steps:,} steps"
    return [
        f"in its shield test this guide costs {cost:.3g} in {own:,} steps, more than the "
        f"student's limit of {where}: expect epochs above it, or train another guide (longer, or "
        "from another seed)"
    ]


def _images(card: Card, *, source: str) -> tuple[ImageNetwork, bool, Images]:
    network, images, normalised = read_image_entries(card, source=source)
    return network, normalised, images


def _named(card: Card, name: str, kinds: tuple[Any, ...], *, source: str) -> Any:
    """One of the kinds; the first where the card does not say."""
    named = card.network.get(name, kinds[0])
    if not isinstance(named, str) or named not in kinds:
        expected = " or ".join(map(repr, kinds))
        raise HandrailError(f"{source}: the card's {name} is {named!r}, expected {expected}")
    return named


def _cost_critics(card: Card, *, source: str) -> int:
    """How many critics each cost has; files of earlier versions have one."""
    said = card.network.get("cost_critics", 1)
    if type(said) is not int or not 1 <= said <= MOST_CRITICS:
        raise HandrailError(
            f"{source}: the card's cost_critics is {said!r}, expected a whole number from 1 to "
            f"{MOST_CRITICS}"
        )
    return said


def _several(card: Card, *, source: str) -> dict[str, float]:
    limits = card.spec.get("limits") or {}
    if not isinstance(limits, dict) or len(limits) == 1:
        raise HandrailError(f"{source}: the card's limits are {limits!r}, expected several by name")
    checked = {
        name: number(value, f"{source}: the card's limit of {name!r}")
        for name, value in sorted(limits.items())
    }
    if any(value <= 0 for value in checked.values()):
        raise HandrailError(f"{source}: the card's limits are {checked}, expected positive numbers")
    return checked


def _costs(limits: Mapping[str, float]) -> str:
    return f"the costs {', '.join(sorted(limits))}" if limits else "one cost"
