"""A family of tasks in which a guide makes a student safe: SaGui's methods, and how they run."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.core.recorded import original, stable
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.equations.budget import LIMIT_STEPS
from handrail.methods.sagui import pair
from handrail.methods.sagui.acquired import check_acquired
from handrail.methods.sagui.cards import guide_warnings
from handrail.methods.sagui.near_settings import SourceEncoderSettings
from handrail.methods.sagui.offline_batch import kept_beside
from handrail.methods.sagui.pretraining import open_policy, pretrain
from handrail.methods.sagui.problem import Source
from handrail.methods.sagui.settings import TRANSITIONS, GuideSettings, RescueSettings, StudentRun
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_encoder import train_source_encoder
from handrail.methods.sagui.train_guide import train_guide
from handrail.methods.sagui.train_student import check, train_student
from handrail.methods.sagui.watching import check_triggers
from handrail.tasks.family import Family, Files, Report
from handrail.tasks.guided.resolve import resolve_settings
from handrail.tasks.guided.tasks import GuidedTasks
from handrail.train.course import Course, bound, coursed

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
    tasks: GuidedTasks,
    kind: str,
    settings: Any,
    folder: Path,
    report: Callable[[str, int, int], None],
) -> Course[None]:
    """Trains a guide, an encoder, an expert or a student to be pre-trained; a finished one is not
    repeated.
    """
    recorded = {"purpose": kind, **stable(settings)}

    def told(step: int, total: int) -> None:
        report(kind, step, total)

    if (folder / f"{kind}.safetensors").exists():
        return
    if kind == "guide":
        where = tasks.source(settings)
        yield from train_guide.course(where, settings, folder, recorded=recorded, report=told)
        return
    if kind == "encoder":
        where = encoder_source(tasks, settings)
        yield from train_source_encoder.course(
            where, settings, folder, recorded=recorded, report=told
        )
        return
    where = tasks.pretraining(settings)
    yield from pretrain.course(where, settings, folder, recorded=recorded, report=told)


def encoder_source(tasks: GuidedTasks, settings: SourceEncoderSettings) -> Source:
    """Where an encoder is learnt: a guide's source, in which episodes do not end at borders."""
    return tasks.source(
        GuideSettings(
            environment=settings.environment,
            seed=settings.seed,
            episode_length=settings.episode_length,
            outside="open",
            rescue=RescueSettings(share=settings.rescue_share),
        )
    )


@coursed
def train(
    tasks: GuidedTasks,
    run: StudentRun,
    files: Files,
    folder: Path,
    recorded: dict[str, Any],
    report: Report,
) -> Course[dict[str, Any]]:
    """Trains a student."""
    warned = tuple(warnings(run, files))
    return (
        yield from train_student.course(
            tasks.target(run, NOTHING_CHANGED), run, files, folder,
            recorded=recorded, warnings=warned, report=report,
        )
    )  # fmt: skip


def warnings(run: StudentRun, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    return guide_warnings(files, run.limit, LIMIT_STEPS)


def evaluate(
    tasks: GuidedTasks, run: StudentRun, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """A student's own policy, without its guide."""
    return pair.alone(tasks.target(run, changes), file, episodes=episodes, seed=seed)


def shielded(
    tasks: GuidedTasks,
    run: StudentRun,
    files: Files,
    file: Path,
    episodes: int,
    seed: int,
    changes: Changes,
) -> dict[str, Any]:
    """The same together with its guide, which acts where the method says so."""
    target = tasks.target(run, changes)
    return pair.with_guide(target, run, files, file, episodes=episodes, seed=seed)


def triggers(
    tasks: GuidedTasks,
    run: StudentRun,
    files: Files,
    file: Path | None,
    episodes: int,
    seed: int,
    within: int,
) -> list[dict[str, Any]]:
    """How right the triggers are that a run's knowledge allows, as of `check_triggers`."""
    target = tasks.target(run, NOTHING_CHANGED)
    policy = None if file is None else open_policy(file, target.interface, "policy")[1]
    return check_triggers(
        target, run, files, policy, within=within, episodes=episodes, key=jax.random.key(seed)
    )


def guided_family(tasks: GuidedTasks) -> Family:
    """The tasks as a family."""
    return Family(
        name=tasks.name,
        environments=tasks.environments,
        knows=tasks.environments.__contains__,
        look=lambda environment, seed: tasks.run(environment),
        methods=METHODS,
        # None: the paper's steps for the task; guides as long as those of every published result
        defaults={
            "method": "budget-switch",
            "preset": "recommended",
            "steps": None,
            "guide.steps": 300_000,
            "guide.patience": 2,
        },
        kinds=("guide", "encoder", "expert", "pretrained"),
        prefix=f"{tasks.name}-",
        run_type=lambda method: StudentRun,
        resolve=functools.partial(resolve_settings, tasks),
        run_name=lambda run: f"{run.environment}-{original(run)['method']}-{run.seed}",
        knowledge_name=lambda kind, settings: f"{settings.environment}-{kind}-{settings.seed}",
        label=lambda kind, settings: f"{kind} {settings.environment} seed {settings.seed}",
        acquire=bound(acquire, tasks),
        check=check,
        suits=check_acquired,
        train=bound(train, tasks),
        evaluate=functools.partial(evaluate, tasks),
        record=tasks.record,
        shielded=functools.partial(shielded, tasks),
        triggers=functools.partial(triggers, tasks),
        warnings=warnings,
        beside=lambda run, files: [*kept_beside(files, wanted=run.source_data).values()],
        left_beside={"guide": (TRANSITIONS,)},
        report=lambda methods: "navigation",
        completed=with_epoch,
        compiles=tasks.compiles,
        packages=("mujoco",),
        transfer=tasks.transfer,
        on_host=True,
    )
