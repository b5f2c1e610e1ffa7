"""From a row's dotted settings to a run and the knowledge that it brings along."""

from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import override
from handrail.core.errors import HandrailError, UnknownName
from handrail.methods.contrastive.student import refuse_unread
from handrail.methods.contrastive.table import METHODS
from handrail.methods.method import Method
from handrail.tasks.family import Row, grouped
from handrail.tasks.lava.settings import (
    LavaEncoder,
    LavaGuide,
    LavaPrior,
    LavaRun,
    Layouts,
    View,
    recommended,
)

MANY = "LavaCrossingS9N2"  # where knowledge from many layouts is acquired


def method_of(run: LavaRun) -> Method:
    """The row of the table that a run names. Raises `UnknownName`."""
    if run.method not in METHODS:
        raise UnknownName("method", run.method, METHODS)
    return METHODS[run.method]


def resolve(settings: Mapping[str, Any]) -> Row:
    """Reads a row's dotted settings: `run.…`, `prior.…`, `encoder.…`, `guide.…`, `knowledge` and
    `preset`.

    `knowledge` says whether prior, encoder and guide come from one layout (the paper) or from many;
    `preset` is `paper` or `recommended`.
    """
    given, groups = grouped(settings, ("prior", "encoder", "guide"))
    knowledge: Any = given.pop("knowledge", "one")
    preset: Any = given.pop("preset", "paper")
    if knowledge not in ("one", "many"):
        raise HandrailError(f"knowledge is {knowledge!r}: expected 'one' or 'many'")
    if preset not in ("paper", "recommended"):
        raise HandrailError(f"preset is {preset!r}: expected 'paper' or 'recommended'")
    run = override(LavaRun(), {k: v for k, v in given.items() if "." not in k})
    if preset == "recommended":
        run = recommended(run, on_latent=method_of(run).agent is not None)
    run = override(run, given)
    refuse_unread(method_of(run), run, given)
    needs = method_of(run).needs
    acquired: dict[str, Any] = {}
    if "prior" in needs:
        acquired["prior"] = _prior(run, knowledge, groups["prior"])
    if "encoder" in needs:
        acquired["encoder"] = _explored(LavaEncoder, run, knowledge, groups["encoder"], "encoder.")
    if "guide" in needs:
        acquired["guide"] = _explored(LavaGuide, run, knowledge, groups["guide"], "guide.")
    return Row(run, acquired, {"knowledge": knowledge if acquired else "none"})


def view_of(run: LavaRun) -> View:
    """What knowledge sees: symbolic observations it reads through the egocentric view.

    What warns of lava is where it lies from the agent; a perceptron on the whole grid would
    have to learn that anew for every cell, where the paper's convolutions need not
    (docs/results/lava.md compares both views).
    """
    return "egocentric" if run.observation == "symbolic" else run.observation


def _prior(run: LavaRun, knowledge: Layouts, own: Mapping[str, Any]) -> LavaPrior:
    settings = LavaPrior(view=view_of(run), layouts=knowledge)
    if knowledge == "many":
        settings = override(
            settings,
            {
                "environment": MANY,
                "source_learning.discount": 0.95,
                "prior_learning.discount": 0.95,
            },
        )
    return override(settings, own, within="prior.")


def _explored(
    kind: type[Any], run: LavaRun, knowledge: Layouts, own: Mapping[str, Any], within: str
) -> Any:
    settings = kind(view=view_of(run))
    if knowledge == "many":
        settings = override(settings, {"environment": MANY})
    return override(settings, own, within=within)
