"""What commands and experiments do with real actions in environments of the user's."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax

from handrail.core.recorded import PASSED, stable
from handrail.envs.changes import Changes
from handrail.envs.gymnasium.building import build_host
from handrail.envs.gymnasium.named import factory
from handrail.envs.perturbed import changed_host
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui import pair
from handrail.methods.sagui.cards import guide_warnings
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.train_encoder import train_source_encoder
from handrail.methods.sagui.train_guide import train_guide
from handrail.methods.sagui.train_student import check as check_settings
from handrail.methods.sagui.train_student import train_student
from handrail.methods.sagui.watching import check_triggers
from handrail.tasks.family import Files, Report
from handrail.tasks.own.episode import rendering, to_record
from handrail.tasks.own.problems import (
    encoder_source_of,
    length_of,
    options_of,
    source_of,
    target_of,
)
from handrail.tasks.own.settings import OwnGuide, OwnSourceEncoder, OwnStudent
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode

SHIELD = "the shield"
Told = Callable[[str, int, int], None]
"""Called with (what, steps done, steps in all)."""


def acquire_guide(settings: OwnGuide, folder: Path, report: Told) -> None:
    """Trains a guide."""
    source, known, passed = source_of(settings)
    recorded = _recorded("guide", settings, passed)
    train_guide(source, known, folder, recorded=recorded, report=partial(report, "guide"))


def acquire_encoder(settings: OwnSourceEncoder, folder: Path, report: Told) -> None:
    """Trains an encoder of the source, driven at random."""
    source, known, passed = encoder_source_of(settings)
    recorded = _recorded("encoder", settings, passed)
    train_source_encoder(
        source, known, folder, recorded=recorded, report=partial(report, "encoder")
    )


def _recorded(kind: str, settings: Any, passed: dict[str, Any]) -> dict[str, Any]:
    """What acquired knowledge is known by."""
    return {"purpose": kind, **stable(settings), PASSED: passed}


def check(run: OwnStudent, files: Files) -> None:
    """Builds the environment, and refuses one that cannot be trained in."""
    check_settings(run, files)
    target_of(run)


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


def warnings(run: OwnStudent, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    return guide_warnings(files, run.limit, length_of(run)) if "guide" in files else []


def evaluate(
    run: OwnStudent, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """A student's own policy, without its guide."""
    return pair.alone(_changed(run, changes), file, episodes=episodes, seed=seed)


def shielded(
    run: OwnStudent, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same together with its guide and shield."""
    target = _changed(run, changes)
    return pair.with_guide(target, run, files, file, episodes=episodes, seed=seed)


def triggers(
    run: OwnStudent, files: Files, file: Path | None, episodes: int, seed: int, within: int
) -> list[dict[str, Any]]:
    """How right the triggers are that a run's knowledge allows, as of `check_triggers`."""
    target, _ = target_of(run)
    policy = None if file is None else open_policy(file, target.interface, "policy")[1]
    return check_triggers(
        target, run, files, policy, within=within, episodes=episodes, key=jax.random.key(seed)
    )


def _changed(run: OwnStudent, changes: Changes) -> Target:
    """Where a student is tested in a changed world."""
    target, _ = target_of(run)
    world = changed_host(target.testing, changes, name=run.environment)
    return dataclasses.replace(target, testing=world)


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


def beside(run: StudentRun, files: Files) -> list[Path]:
    """Files that lie beside the guide's and decide about the run, too."""
    return list(kept_beside(files, wanted=run.source_data).values())
