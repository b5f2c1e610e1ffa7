"""SaGui's navigation tasks as a family."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.core.artifact import load
from handrail.core.recorded import original, stable
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.navigation.tasks import navigation_task
from handrail.methods.sagui.cards import warnings_of
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.pair import pair_row, try_pair
from handrail.methods.sagui.pretraining import open_policy, pretrain
from handrail.methods.sagui.settings import LIMIT_STEPS, TRANSITIONS, StudentRun
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_guide import train_guide
from handrail.methods.sagui.train_student import check, train_student
from handrail.tasks.family import Family, Files, Report
from handrail.tasks.navigation.episode import record_students
from handrail.tasks.navigation.problems import (
    DEFAULTS,
    interface_in,
    pretraining_in,
    source_of,
    target_of,
)
from handrail.tasks.navigation.resolve import resolve_settings
from handrail.train.course import Course, coursed
from handrail.train.rollout.recorded import RecordedEpisode

EPOCHS = (30_000, 10_000, 5_000)  # the paper's epoch, or the next shorter one that fits


def with_epoch(settings: Mapping[str, Any]) -> dict[str, Any]:
    """With an epoch that divides the steps, if the settings name steps but no epoch."""
    steps = settings.get("steps")
    fitting = [epoch for epoch in EPOCHS if isinstance(steps, int | float) and steps % epoch == 0]
    if "epoch" in settings or steps is None or not fitting:
        return dict(settings)
    return {**settings, "epoch": fitting[0]}


@coursed
def acquire(
    kind: str, settings: Any, folder: Path, report: Callable[[str, int, int], None]
) -> Course[None]:
    """Trains a guide, an expert or a student to be pre-trained; a finished one is not repeated."""
    recorded = {"purpose": kind, **stable(settings)}

    def told(step: int, total: int) -> None:
        report(kind, step, total)

    if (folder / f"{kind}.safetensors").exists():
        return
    if kind == "guide":
        where = source_of(settings)
        yield from train_guide.course(where, settings, folder, recorded=recorded, report=told)
        return
    where = pretraining_in(settings)
    yield from pretrain.course(where, settings, folder, recorded=recorded, report=told)


@coursed
def train(
    run: StudentRun, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> Course[dict[str, Any]]:
    """Trains a student."""
    warned = tuple(warnings(run, files))
    return (
        yield from train_student.course(
            target_of(run), run, files, folder, recorded=recorded, warnings=warned, report=report
        )
    )


def warnings(run: StudentRun, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    if "guide" not in files:
        return []
    card, _ = load(files["guide"], expect="guide")
    return warnings_of(card, run.limit, LIMIT_STEPS)


def evaluate(run: StudentRun, file: Path, episodes: int, seed: int) -> dict[str, Any]:
    """Return, cost and length of a student's own policy, sampled, without its guide.

    All are means over whole episodes of the target, undiscounted.
    """
    target = navigation_problem(run.environment).target
    interface = interface_in(target, run.environment)
    card, policy = open_policy(file, interface, "policy")
    done = try_policy(target, policy, episodes=episodes, key=jax.random.key(seed))
    limit = card.spec.get("limit")
    return evaluated(done, limit if isinstance(limit, float | int) else None)


def record(
    run: StudentRun, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes of a student."""
    return record_students(run, file, files, episodes=episodes, seed=seed, shielded=shielded)


def shielded(run: StudentRun, files: Files, file: Path, episodes: int, seed: int) -> dict[str, Any]:
    """The same of the student together with its guide, which acts where the method says so."""
    target = target_of(run)
    _, policy = open_policy(file, target.interface, "policy")
    done = try_pair(target, run, files, policy, episodes=episodes, key=jax.random.key(seed))
    return pair_row(done, run.limit)


def _beside(run: StudentRun, files: Files) -> list[Path]:
    return list(kept_beside(files, wanted=run.source_data).values())


NAVIGATION = Family(
    name="navigation",
    environments=tuple(DEFAULTS),
    knows=DEFAULTS.__contains__,
    look=lambda environment, seed: navigation_task(environment),
    methods=METHODS,
    # None: the paper's steps for the task; guides as long as those of every published result
    defaults={
        "method": "budget-switch",
        "preset": "recommended",
        "steps": None,
        "guide.steps": 300_000,
    },
    kinds=("guide", "expert", "pretrained"),
    run_type=StudentRun,
    resolve=resolve_settings,
    run_name=lambda run: f"{run.environment}-{original(run)['method']}-{run.seed}",
    knowledge_name=lambda kind, settings: f"{settings.environment}-{kind}-{settings.seed}",
    label=lambda kind, settings: f"{kind} {settings.environment} seed {settings.seed}",
    acquire=acquire,
    check=check,
    train=train,
    evaluate=evaluate,
    record=record,
    shielded=shielded,
    warnings=warnings,
    beside=_beside,
    left_beside={"guide": (TRANSITIONS,)},
    completed=with_epoch,
    compiles=lambda environment: navigation_task(environment).compiles,
    packages=("mujoco",),
    on_host=True,
)
