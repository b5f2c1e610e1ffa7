"""A row of an experiment with guides, completed: the student and the knowledge it brings along."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import override
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.renamed import warn_once
from handrail.methods.sagui.acquired import guide_share
from handrail.methods.sagui.near_settings import SourceEncoderSettings
from handrail.methods.sagui.presets import OLD_PRESETS, PRESETS, SOURCE_STEPS
from handrail.methods.sagui.schedule import Block, check_schedule
from handrail.methods.sagui.settings import GuideSettings, PretrainingSettings, Role, StudentRun
from handrail.methods.sagui.table import block_of, row_of
from handrail.methods.sagui.unread import check_takeover, refuse_on_policy, refuse_unread
from handrail.tasks.family import Row, each_seed, grouped
from handrail.tasks.guided.tasks import GuidedTasks

COPIES = 5  # of a compiled task: an on-policy batch of 5,000 steps is then of whole episodes


def resolve_settings(tasks: GuidedTasks, settings: Mapping[str, Any]) -> Row:
    """Reads a row's dotted settings: those of the run, `guide.…`, `encoder.…`, `expert.…`,
    `pretrained.…`.

    `learning.…` is common to student and knowledge, which may have their own
    (`guide.learning.…`). `guides = "each"` (the default) gives every seed its own guide (and
    expert, and pre-trained student); `"one"` shares those of seed 0. The guide's limit d⋄ is a
    fifth of the run's unless `guide.limit` or `guide.limit_fraction` (a share of it) is given.
    `preset` is one of `presets.PRESETS`; it changes students with a guide, and their guide.
    """
    given, groups = grouped(settings, ("guide", "encoder", "expert", "pretrained"))
    each, preset = each_seed(given, "guides"), given.pop("preset", "paper")
    if preset in OLD_PRESETS:
        warn_once(f"the preset {preset!r} is now called 'recommended'")
        preset = "recommended"
    if preset not in PRESETS:
        raise UnknownName("preset", str(preset), PRESETS)
    environment = given.get("environment", StudentRun.environment)
    usual = tasks.run(environment)
    published = override(usual, given)
    row = row_of(published.method)
    on_policy = row.agent is not None
    if on_policy and tasks.compiles(environment):
        published = override(dataclasses.replace(usual, copies=COPIES), given)
    run = override(tasks.student(PRESETS[preset].student(published)), given)
    check_takeover(row, run.takeover)
    refuse_unread(row, given, source_data=run.source_data)
    needs = row.needs
    check_schedule(run.steps, run.epoch, block_of(run))
    check_copies(tasks, run, block_of(run), on_policy=on_policy)
    common = {
        "environment": run.environment,
        "seed": run.seed if each else 0,
        "learning": published.learning,
    }
    guide = encoder = expert = pretrained = None
    if "guide" in needs:
        # what is given for both wins over the preset, what is given for the guide over that
        both = {name: x for name, x in given.items() if name.startswith("learning.")}
        own = {**both, **groups["guide"]}
        common |= PRESETS[preset].guide(published.learning)
        if run.source_data:
            common.setdefault("keep", SOURCE_STEPS)
        guide = _guide(tasks, run, common, own)
    if "encoder" in needs:
        learnt = SourceEncoderSettings(environment=run.environment, seed=common["seed"])
        encoder = override(learnt, groups["encoder"], within="encoder.")
    if "expert" in needs:
        expert = _pretraining(tasks, run, "expert", common, groups["expert"])
    if "pretrained" in needs:
        if on_policy:
            own = {"method": row.pretrained_as, "on_policy": run.on_policy, "copies": run.copies}
            common |= own
        pretrained = _pretraining(tasks, run, "pretrained", common, groups["pretrained"])
    wanted = {"guide": guide, "encoder": encoder, "expert": expert, "pretrained": pretrained}
    return Row(run, {kind: own for kind, own in wanted.items() if own is not None})


def _guide(
    tasks: GuidedTasks, run: StudentRun, common: dict[str, Any], own: dict[str, Any]
) -> GuideSettings:
    share, own = guide_share(own)
    usual = tasks.guide(GuideSettings(limit=share * run.limit, **common))
    settings = override(usual, own, within="guide.").accepted_by(run.limit)
    block = Block.of(settings.learning)
    check_schedule(settings.steps, settings.epoch, block, within="guide.")
    check_copies(tasks, settings, block)
    return settings


def _pretraining(
    tasks: GuidedTasks, run: StudentRun, role: Role, common: dict[str, Any], own: dict[str, Any]
) -> PretrainingSettings:
    settings = PretrainingSettings(
        role=role, steps=run.steps, epoch=run.epoch, limit=run.limit, **common
    )
    settings = override(settings, own, within=f"{role}.")
    block, method = block_of(settings), row_of(settings.method)
    refuse_on_policy(method, settings.on_policy, within=f"{role}.")
    check_schedule(settings.steps, settings.epoch, block, within=f"{role}.")
    check_copies(tasks, settings, block, on_policy=method.agent is not None)
    return settings


def check_copies(
    tasks: GuidedTasks,
    settings: StudentRun | GuideSettings | PretrainingSettings,
    block: Block,
    *,
    on_policy: bool = False,
) -> None:
    """Refuses copies that do not divide a block of steps, and copies of a compiled task, unless
    the method is on-policy.
    """
    copies = settings.copies
    if copies < 1 or block.steps % copies:
        raise HandrailError(
            f"copies is {copies}: expected a divisor of {block.steps} ({block.name}), such as 1, "
            "a single environment"
        )
    if copies > 1 and not on_policy and tasks.compiles(settings.environment):
        raise HandrailError(
            f"copies is {copies}, but {settings.environment} is compiled into one loop with its "
            "learner, where copies gain nothing; leave it at 1"
        )
