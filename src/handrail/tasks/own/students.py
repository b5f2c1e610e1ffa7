"""What commands and experiments do with real actions in environments of the user's."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from handrail.core.artifact import load
from handrail.core.recorded import PASSED, stable
from handrail.envs.changes import Changes
from handrail.envs.gymnasium.building import (
    build_host,
)
from handrail.envs.gymnasium.named import factory
from handrail.envs.perturbed import changed_host
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.acting import acts_instead, intervention_of
from handrail.methods.sagui.cards import Limits, warnings_of
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.pair import pair_row, try_pair
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.train_guide import train_guide
from handrail.methods.sagui.train_student import check as check_settings
from handrail.methods.sagui.train_student import train_student
from handrail.tasks.family import Files, Report
from handrail.tasks.own.episode import record_in, rendering
from handrail.tasks.own.problems import (
    length_of,
    options_of,
    source_of,
    target_of,
)
from handrail.tasks.own.settings import OwnGuide, OwnStudent
from handrail.train.rollout.base import Drawn
from handrail.train.rollout.recorded import RecordedEpisode

SHIELD = "the shield"


def acquire_guide(
    settings: OwnGuide, folder: Path, report: Callable[[str, int, int], None]
) -> None:
    """Trains a guide."""
    source, known, passed = source_of(settings)
    recorded = {"purpose": "guide", **stable(settings), PASSED: passed}
    train_guide(
        source, known, folder, recorded=recorded,
        report=lambda step, total: report("guide", step, total),
    )  # fmt: skip


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
        warnings=tuple(_warnings(run, files, longest)), report=report,
    )  # fmt: skip


def warnings(run: OwnStudent, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    return _warnings(run, files, length_of(run)) if "guide" in files else []


def _warnings(run: OwnStudent, files: Files, longest: int) -> list[str]:
    if "guide" not in files:
        return []
    card, _ = load(files["guide"], expect="guide")
    return warnings_of(card, run.limit, longest)


def evaluate(
    run: OwnStudent, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """Return, cost and length of a student's own policy, sampled, without its guide."""
    target, _ = target_of(run)
    card, policy = open_policy(file, target.interface, "policy")
    world = changed_host(target.testing, changes, name=run.environment)
    done = try_policy(
        world, policy, episodes=episodes, longest=target.longest, key=jax.random.key(seed)
    )  # fmt: skip
    limits = Limits.read(card, source=str(file))
    return evaluated(done, limits.limit, target.interface.limits)


def shielded(
    run: OwnStudent, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same of the student together with its guide and shield."""
    target, _ = target_of(run)
    world = changed_host(target.testing, changes, name=run.environment)
    target = dataclasses.replace(target, testing=world)
    _, policy = open_policy(file, target.interface, "policy")
    key = jax.random.key(seed)
    done = try_pair(target, run, files, policy, episodes=episodes, key=key)
    return pair_row(done, run.limit, target.interface.limits)


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
    return record_in(
        host, Drawn(Sampled(policy)), intervention, environment=run.environment,
        method=run.method, acts=acts, episodes=episodes, seed=seed,
        longest=target.interface.limit_steps,
    )  # fmt: skip


def beside(run: StudentRun, files: Files) -> list[Path]:
    """Files that lie beside the guide's and decide about the run, too."""
    return list(kept_beside(files, wanted=run.source_data).values())
