"""Environments of the user's as a family: what commands and experiment files can do with them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.recorded import PASSED, stable
from handrail.envs.base import DiscreteActions
from handrail.envs.changes import Changes
from handrail.envs.gymnasium.actions import action_codec
from handrail.envs.gymnasium.building import (
    FOR_DISCRETE,
    build_host,
    built,
    closes_environments,
)
from handrail.envs.gymnasium.named import factory
from handrail.envs.gymnasium.raw import close_environment
from handrail.envs.perturbed import changed_host
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui import pair
from handrail.methods.sagui.acquired import check_acquired
from handrail.methods.sagui.cards import guide_warnings
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import TRANSITIONS
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_guide import train_guide
from handrail.methods.sagui.train_student import check as check_settings
from handrail.methods.sagui.train_student import train_student
from handrail.tasks.family import Family, Files, Report
from handrail.tasks.own.episode import rendering, to_record
from handrail.tasks.own.problems import (
    length_of,
    options_of,
    source_of,
    target_of,
)
from handrail.tasks.own.resolve import OFFERED, STEPS, resolve
from handrail.tasks.own.settings import OwnGuide, OwnStudent
from handrail.train.course import by_itself
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode

SHIELD = "the shield"


def knows(environment: str) -> bool:
    """Whether it names a module to import, or Gymnasium has registered it."""
    if ":" in environment:
        return True
    import gymnasium

    return environment in gymnasium.registry


def look(environment: str, seed: int) -> None:
    """Builds one. Raises `HandrailError` where its actions are not real numbers."""
    env = built(factory(environment))
    space = getattr(env, "single_action_space", getattr(env, "action_space", None))
    try:
        if isinstance(action_codec(space).actions, DiscreteActions):
            raise HandrailError(f"{environment} has discrete actions; {FOR_DISCRETE}")
    finally:
        close_environment(env)


@by_itself
@closes_environments
def acquire(
    kind: str, settings: OwnGuide, folder: Path, report: Callable[[str, int, int], None]
) -> None:
    """Trains a guide; a finished one is not repeated."""
    if (folder / f"{kind}.safetensors").exists():
        return
    source, known, passed = source_of(settings)
    recorded = {"purpose": kind, **stable(settings), PASSED: passed}
    train_guide(
        source, known, folder, recorded=recorded,
        report=lambda step, total: report(kind, step, total),
    )  # fmt: skip


@closes_environments
def check(run: OwnStudent, files: Files) -> None:
    """Builds the environment, and refuses one that cannot be trained in."""
    check_settings(run, files)
    target_of(run)


@by_itself
@closes_environments
def train(
    run: OwnStudent, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Trains a student. What was passed in is compared with what the folder's run was given."""
    target, passed = target_of(run)
    longest = target.interface.limit_steps
    return train_student(
        target, run, files, folder, recorded={**recorded, PASSED: passed},
        warnings=tuple(guide_warnings(files, run.limit, longest)), report=report,
    )  # fmt: skip


@closes_environments
def warnings(run: OwnStudent, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    return guide_warnings(files, run.limit, length_of(run)) if "guide" in files else []


@closes_environments
def evaluate(
    run: OwnStudent, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """A student's own policy, without its guide."""
    return pair.alone(_changed(run, changes), file, episodes=episodes, seed=seed)


@closes_environments
def shielded(
    run: OwnStudent, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same together with its guide and shield."""
    target = _changed(run, changes)
    return pair.with_guide(target, run, files, file, episodes=episodes, seed=seed)


def _changed(run: OwnStudent, changes: Changes) -> Target:
    """Where a student is tested in a changed world."""
    target, _ = target_of(run)
    world = changed_host(target.testing, changes, name=run.environment)
    return dataclasses.replace(target, testing=world)


@closes_environments
def record(
    run: OwnStudent, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes of a student: frames, where its environment renders `rgb_array`."""
    target, _ = target_of(run)
    make = factory(run.environment)
    host = build_host(lambda: rendering(make), **options_of(run))
    _, policy = open_policy(file, target.interface, "policy")
    intervention, acts = none(), ""
    if shielded:
        own = intervention_of(target, run, files)
        intervention = in_agent_units(own, host.agent_form)
        acts = acts_instead(run.method) or (SHIELD if run.shield else "")
    single = to_record(host)
    return recorded_frames(
        single, single.env, Drawn(Sampled(policy)), intervention, environment=run.environment,
        method=run.method, acts=acts, episodes=episodes, seed=seed,
        longest=target.interface.limit_steps,
    )  # fmt: skip


def _folder(name: str) -> str:
    """A name of an environment as a part of a folder's."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


OWN_ENVIRONMENTS = Family(
    name="your environments",
    environments=("MODULE:ID", "MODULE:FUNCTION"),
    knows=knows,
    look=look,
    methods={name: METHODS[name] for name in OFFERED},
    defaults={"method": "budget-switch", "steps": STEPS, "guide.steps": STEPS},
    kinds=("guide",),
    run_type=OwnStudent,
    resolve=resolve,
    run_name=lambda run: f"{_folder(run.environment)}-{run.method}-{run.seed}",
    knowledge_name=lambda kind, settings: f"{_folder(settings.environment)}-{kind}-{settings.seed}",
    label=lambda kind, settings: f"{kind} {settings.environment} seed {settings.seed}",
    acquire=acquire,
    check=check,
    suits=check_acquired,
    train=train,
    evaluate=evaluate,
    record=record,
    shielded=shielded,
    warnings=warnings,
    beside=lambda run, files: [*kept_beside(files, wanted=run.source_data).values()],
    left_beside={"guide": (TRANSITIONS,)},
    report="navigation",
    required={"limit": 5.0},
    names_code=True,
    compiles=lambda environment: False,
    on_host=True,
)
