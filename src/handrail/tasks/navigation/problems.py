"""SaGui's navigation tasks by name: sources and targets as the methods ask for them."""

import dataclasses
from typing import Any

from handrail.core.artifact import part_shapes
from handrail.core.errors import UnknownName
from handrail.envs.base import AbstractEnvironment
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.problems import navigation_problem, task_of
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS
from handrail.envs.transfer import TransferProblem, example_observation, observation_shapes
from handrail.envs.variants import side_by_side, unrewarded, zero_filled
from handrail.equations.budget import LIMIT_STEPS
from handrail.methods.sagui.problem import Interface, Source, Target, interface_of
from handrail.methods.sagui.settings import (
    GuideSettings,
    PretrainingSettings,
    SacSettings,
    StudentRun,
)
from handrail.methods.sagui.shield import STEPS
from handrail.tasks.family import TransferTask
from handrail.tasks.navigation.changed import changed, physics_of

HARM = 1.0  # what a step in a hazard costs


@dataclasses.dataclass(frozen=True)
class TaskDefaults:
    """The paper's choices for a task, beside those of `NavigationTask`."""

    hidden: tuple[int, ...]
    batch: int
    steps: int


DEFAULTS: dict[str, TaskDefaults] = {
    "navigation-static": TaskDefaults((32, 32), 32, 1_500_000),
    "navigation-semi-dynamic": TaskDefaults((64, 64), 64, 3_000_000),
    "navigation-dynamic": TaskDefaults((256, 256), 256, 4_500_000),
    "navigation-pointgoal1": TaskDefaults((256, 256), 256, 4_500_000),
    "navigation-dynamic-without-vases": TaskDefaults((256, 256), 256, 4_500_000),
    "navigation-pointgoal1-without-vases": TaskDefaults((256, 256), 256, 4_500_000),
    **{name: TaskDefaults((256, 256), 256, 3_000_000) for name in ARENA_TASKS},
}
"""The paper's choices; for Safety-Gymnasium's tasks the steps of published off-policy runs.

The car, vases and Safety-Gymnasium's tasks need MuJoCo, and a loop on the host; the other tasks are
compiled."""


def task_defaults(environment: str) -> TaskDefaults:
    """The paper's choices for a task; raises `UnknownName`."""
    if environment not in DEFAULTS:
        raise UnknownName("navigation task", environment, DEFAULTS)
    return DEFAULTS[environment]


def usual_run(environment: str) -> StudentRun:
    """A run with the paper's choices for a task; raises `UnknownName`."""
    defaults = task_defaults(environment)
    return StudentRun(
        environment=environment,
        steps=defaults.steps,
        limit=task_of(environment).limit,
        learning=SacSettings(hidden=defaults.hidden, batch=defaults.batch),
    )


def transfer_of(environment: str) -> TransferTask:
    """What `check-transfer` asks of a task; raises `UnknownName`."""
    task = task_of(environment)
    return TransferTask(navigation_problem(environment), task.robot, task.limit, HARM)


def source_of(settings: GuideSettings) -> Source:
    """Where a guide is trained and tried."""
    rescue = settings.rescue
    starts = (
        RescueStarts(rescue.share, rescue.max_speed, rescue.max_turn_rate) if rescue.share else None
    )
    name = settings.environment

    physics = PhysicsRange.around(*settings.robust.physical)

    def training() -> Any:
        environment = navigation_problem(
            name, source_length=settings.episode_length, rescue=starts, outside=settings.outside,
            physics=physics,
        ).source  # fmt: skip
        return environment if settings.bonus == "displacement" else unrewarded(environment)

    clean = navigation_problem(name).source
    exits = RescueStarts(1.0, rescue.max_speed, rescue.max_turn_rate)
    return Source(
        interface=interface_in(clean, name),
        training=side_by_side(training(), training, settings.copies),
        evaluation=clean,
        # nothing ends at the borders of the shield test
        shield_test=navigation_problem(name, source_length=STEPS, outside="open").source,
        exits=navigation_problem(name, source_length=settings.episode_length, rescue=exits).source,
        harm=HARM,
        scaled_parts=part_shapes_of(clean),
    )


def target_of(run: StudentRun, changes: Changes = NOTHING_CHANGED) -> Target:
    """Where a student is trained and, in a world that may be changed, tested."""

    def problem() -> TransferProblem:
        return navigation_problem(run.environment)

    first = problem()
    return Target(
        interface=interface_in(first.target, run.environment),
        training=side_by_side(first.target, lambda: problem().target, run.copies),
        copies=run.copies,
        testing=changed(
            navigation_problem(run.environment, physics=physics_of(changes)).target, changes
        ),
        view=first.view,
        scaled_parts=part_shapes_of(first.target),
    )


def pretraining_in(settings: PretrainingSettings) -> Target:
    """Where an expert, or a student to be pre-trained, learns: the target, or the source with the
    displacement reward and goal lidars of zeros.
    """

    def environment() -> AbstractEnvironment | AbstractHostEnvironment:
        problem = navigation_problem(settings.environment)
        if settings.role == "expert":
            return problem.target
        shapes = {name: part.shape for name, part in observation_shapes(problem.target).items()}
        return zero_filled(problem.source, shapes)

    first = environment()
    return Target(
        interface=interface_in(first, settings.environment),
        training=side_by_side(first, environment, settings.copies),
        copies=settings.copies,
        testing=environment(),
        scaled_parts=part_shapes_of(first),
    )


def interface_in(environment: Any, name: str) -> Interface:
    """What a guide has to fit; limits are of 1,000 steps, whatever the episodes' length."""
    return interface_of(environment, LIMIT_STEPS, name=name)


def part_shapes_of(environment: Any) -> dict[str, list[int]]:
    """Names and shapes of an observation's parts."""
    return part_shapes(example_observation(environment))
