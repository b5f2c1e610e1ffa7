"""What the card of a guide's file says, checked: files from others are data."""

from typing import Any, get_args

from handrail.artifact import Card, number
from handrail.errors import HandrailError
from handrail.experiments.navigation.inputs import inputs_of
from handrail.experiments.navigation.settings import Inputs
from handrail.learners.sac_networks import COST_CRITICS, CostCritic
from handrail.networks.inputs import ScaledInputs


def cost_critic_of(card: Card, *, source: str) -> CostCritic:
    """The kind of a file's cost critics; those of older files are linear."""
    return _named(card, "cost_critic", COST_CRITICS, source=source)


def input_kind_of(card: Card, *, source: str) -> Inputs:
    """What a file's networks read; those of older files read observations as they are."""
    return _named(card, "inputs", get_args(Inputs), source=source)


def card_inputs(card: Card, *, source: str) -> ScaledInputs | None:
    """What a file's networks read of observations with the card's parts."""
    return inputs_of(input_kind_of(card, source=source), card.spec["parts"])


def _named(card: Card, name: str, kinds: tuple[Any, ...], *, source: str) -> Any:
    """One of the kinds; the first where the card does not say."""
    named = card.network.get(name, kinds[0])
    for kind in kinds:
        if named == kind:
            return kind
    expected = " or ".join(map(repr, kinds))
    raise HandrailError(f"{source}: the card's {name} is {named!r}, expected {expected}")


def limits_of(card: Card, *, source: str) -> dict[str, float]:
    """The limits of several costs, in the order of their critics; empty where a guide knows one."""
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


def critic_discount(card: Card, *, source: str) -> float:
    """γ per step of a guide's critics, as its training says; by default the paper's."""
    value: Any = card.training
    for name in ("settings", "learning", "discount"):
        value = value.get(name) if isinstance(value, dict) else None
    what = f"{source}: the card's discount"
    return number(0.99 if value is None else value, what, least=0, most=1)
