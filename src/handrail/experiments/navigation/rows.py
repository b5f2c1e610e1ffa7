"""A row of a navigation experiment, completed: the student and the knowledge it brings along."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.presets import GUIDES, KEPT, STUDENTS
from handrail.experiments.navigation.settings import (
    NEEDS_EXPERT,
    NEEDS_GUIDE,
    NEEDS_PRETRAINED,
    ForebearSettings,
    GuideSettings,
    Role,
    SacSettings,
    StudentRun,
    check_copies,
    check_schedule,
    task_defaults,
)
from handrail.experiments.schema import override

PREFIX = "navigation-"
MARGIN = 0.2  # of the student's limit: the guide's, unless a row says otherwise


@dataclasses.dataclass(frozen=True)
class NavigationRow:
    """The run and what it needs; None where the method needs none."""

    run: StudentRun
    guide: GuideSettings | None = None
    expert: ForebearSettings | None = None
    pretrained: ForebearSettings | None = None

    @property
    def knowledge(self) -> dict[str, GuideSettings | ForebearSettings]:
        """By kind, what has to be acquired before the run."""
        wanted = {"guide": self.guide, "expert": self.expert, "pretrained": self.pretrained}
        return {kind: settings for kind, settings in wanted.items() if settings is not None}


def is_navigation(environment: Any) -> bool:
    """Whether an environment's name is that of a navigation task."""
    return isinstance(environment, str) and environment.startswith(PREFIX)


def complete(settings: Mapping[str, Any]) -> NavigationRow:
    """Reads a row's dotted settings: those of the run, `guide.…`, `expert.…`, `pretrained.…`.

    `learning.…` is common to student and knowledge, which may have their own
    (`guide.learning.…`). `guides = "each"` (the default) gives every seed its own guide (and
    expert, and pre-trained student); `"one"` shares those of seed 0. The guide's limit d⋄ is a
    fifth of the run's unless `guide.limit` or `guide.margin` (a multiple of the run's) is given.
    `preset` is one of `presets.STUDENTS`; it changes students with a guide, and their guide.
    """
    groups: dict[str, dict[str, Any]] = {"guide": {}, "expert": {}, "pretrained": {}, "run": {}}
    guides, preset = "each", "paper"
    for name, value in settings.items():
        group, _, rest = name.partition(".")
        if name == "guides":
            guides = value
        elif name == "preset":
            preset = value
        elif rest and group in groups:
            groups[group][rest] = value
        else:
            groups["run"][name] = value
    if guides not in ("each", "one"):
        raise HandrailError(f"guides is {guides!r}: expected 'each' (seed) or 'one' (for all)")
    if preset not in STUDENTS:
        raise UnknownName("preset", str(preset), STUDENTS)
    defaults = task_defaults(groups["run"].get("environment", StudentRun.environment))
    learning = SacSettings(hidden=defaults.hidden, batch=defaults.batch)
    run = StudentRun(steps=defaults.steps, limit=defaults.limit, learning=learning)
    published = override(run, groups["run"])
    run = override(STUDENTS[preset](published), groups["run"])
    check_schedule(run.steps, run.epoch, run.learning)
    check_copies(run.copies, run.environment, run.learning)
    common = {
        "environment": run.environment,
        "seed": run.seed if guides == "each" else 0,
        "learning": published.learning,
    }
    guide = expert = pretrained = None
    if run.method in NEEDS_GUIDE:
        # what is given for both wins over the preset, what is given for the guide over that
        given = {name: x for name, x in groups["run"].items() if name.startswith("learning.")}
        own = {**given, **groups["guide"]}
        common |= GUIDES[preset](published.learning)
        if run.source_data:
            common.setdefault("keep", KEPT)
        guide = _guide(run, common, own)
    if run.method in NEEDS_EXPERT:
        expert = _forebear(run, "expert", common, groups["expert"])
    if run.method in NEEDS_PRETRAINED:
        pretrained = _forebear(run, "pretrained", common, groups["pretrained"])
    return NavigationRow(run, guide, expert, pretrained)


def _guide(run: StudentRun, common: dict[str, Any], own: dict[str, Any]) -> GuideSettings:
    own = dict(own)
    margin = own.pop("margin", MARGIN)
    if type(margin) not in (int, float) or margin < 0:
        raise HandrailError(f"guide.margin is {margin!r}: expected a number of at least 0")
    settings = override(GuideSettings(limit=margin * run.limit, **common), own, within="guide.")
    if settings.keep < 0 or (run.source_data and not settings.keep):
        raise HandrailError(
            f"guide.keep is {settings.keep}: expected the number of steps to keep, such as {KEPT}"
        )
    check_schedule(settings.steps, settings.epoch, settings.learning)
    check_copies(settings.copies, settings.environment, settings.learning)
    return settings


def _forebear(
    run: StudentRun, role: Role, common: dict[str, Any], own: dict[str, Any]
) -> ForebearSettings:
    settings = ForebearSettings(
        role=role, steps=run.steps, epoch=run.epoch, limit=run.limit, **common
    )
    settings = override(settings, own, within=f"{role}.")
    check_schedule(settings.steps, settings.epoch, settings.learning)
    check_copies(settings.copies, settings.environment, settings.learning)
    return settings
