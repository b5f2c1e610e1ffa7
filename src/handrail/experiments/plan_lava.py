"""A row of a lava experiment, completed: the run and the knowledge that it brings along."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from handrail.errors import HandrailError
from handrail.experiments.lava.knowledge_settings import EncoderSettings, PriorSettings
from handrail.experiments.lava.settings import (
    NEEDS_ENCODER,
    NEEDS_PRIOR,
    LavaRun,
    View,
    recommended,
)
from handrail.experiments.schema import override

Layouts = Literal["one", "many"]


@dataclasses.dataclass(frozen=True)
class LavaRow:
    """A row's settings, completed: the run and the knowledge that it brings along."""

    run: LavaRun
    prior: PriorSettings | None
    encoder: EncoderSettings | None
    knowledge: str
    """How the knowledge was come by: `none`, `one` (layout) or `many`."""


def complete(settings: Mapping[str, Any]) -> LavaRow:
    """Reads a row's dotted settings: `run.…`, `prior.…`, `encoder.…`, `knowledge` and `preset`.

    `knowledge` says whether prior and encoder come from one layout (the paper) or from many;
    `preset` is `paper` or `recommended`.
    """
    groups: dict[str, dict[str, Any]] = {"run": {}, "prior": {}, "encoder": {}}
    knowledge: Any = "one"
    preset: Any = "paper"
    for name, value in settings.items():
        group, _, rest = name.partition(".")
        if name == "knowledge":
            knowledge = value
        elif name == "preset":
            preset = value
        elif rest and group in groups:
            groups[group][rest] = value
        else:
            groups["run"][name] = value
    if knowledge not in ("one", "many"):
        raise HandrailError(f"knowledge is {knowledge!r}: expected 'one' or 'many'")
    if preset not in ("paper", "recommended"):
        raise HandrailError(f"preset is {preset!r}: expected 'paper' or 'recommended'")
    run = override(LavaRun(), {k: v for k, v in groups["run"].items() if "." not in k})
    run = recommended(run) if preset == "recommended" else run
    run = override(run, groups["run"])
    prior = _prior(run, knowledge, groups["prior"]) if run.method in NEEDS_PRIOR else None
    encoder = _encoder(run, knowledge, groups["encoder"]) if run.method in NEEDS_ENCODER else None
    return LavaRow(run, prior, encoder, knowledge if prior or encoder else "none")


def _view(run: LavaRun) -> View:
    """Knowledge reads symbolic observations through the egocentric view.

    What warns of lava is where it lies from the agent; a perceptron on the whole grid would
    have to learn that anew for every cell, where the paper's convolutions need not
    (docs/results-lava.md compares both views).
    """
    return "egocentric" if run.observation == "symbolic" else run.observation


def _prior(run: LavaRun, knowledge: Layouts, own: Mapping[str, Any]) -> PriorSettings:
    settings = PriorSettings(view=_view(run), layouts=knowledge)
    if knowledge == "many":
        settings = override(
            settings,
            {
                "environment": "LavaCrossingS9N2",
                "source_learning.discount": 0.95,
                "prior_learning.discount": 0.95,
            },
        )
    return override(settings, own)


def _encoder(run: LavaRun, knowledge: Layouts, own: Mapping[str, Any]) -> EncoderSettings:
    settings = EncoderSettings(view=_view(run))
    if knowledge == "many":
        settings = override(settings, {"environment": "LavaCrossingS9N2"})
    return override(settings, own)
