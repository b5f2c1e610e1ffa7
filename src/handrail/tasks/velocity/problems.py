"""The velocity tasks by name: sources and targets as the methods ask for them."""

import dataclasses

from handrail.core.errors import HandrailError
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.perturbed import changed_host
from handrail.envs.transfer import SameView, TransferProblem
from handrail.envs.variants import AnyEnvironment, side_by_side, unrewarded
from handrail.envs.velocity.host import RunningStarts, VelocityHost
from handrail.envs.velocity.tasks import VelocityTask, velocity_task
from handrail.equations.budget import LIMIT_STEPS
from handrail.methods.sagui.problem import Source, Target, interface_of
from handrail.methods.sagui.settings import (
    GuideSettings,
    PretrainingSettings,
    RescueSettings,
    SacSettings,
    StudentRun,
)
from handrail.methods.sagui.shield import STEPS
from handrail.methods.sagui.train_guide import OWN_BONUSES
from handrail.tasks.family import TransferTask

HARM = 1.0
"""What a step above the threshold costs."""
TOP = 2.0
"""Greatest speed of an episode's start, in multiples of the threshold."""
LEARNING = SacSettings(hidden=(256, 256), batch=256, learning_rate=3e-4)
"""SAC as it is usually run on these robots."""


def usual_run(environment: str) -> StudentRun:
    """A run of as many steps as the published ones of off-policy methods; raises `UnknownName`."""
    return StudentRun(
        environment=environment,
        steps=3_000_000,
        limit=velocity_task(environment).limit,
        test_episodes=10,
        learning=LEARNING,
    )


def usual_student(run: StudentRun) -> StudentRun:
    """A student as its preset says, but for what the preset says of navigation's observations and
    of rewards of a hundredth a step.
    """
    learning = dataclasses.replace(run.learning, inputs="raw", reward_scale=1.0)
    return dataclasses.replace(run, learning=learning)


def usual_guide(settings: GuideSettings) -> GuideSettings:
    """A guide as its preset says, on robots that have no border to leave; running starts up to
    twice the threshold.
    """
    threshold = velocity_task(settings.environment).threshold
    rescue = dataclasses.replace(settings.rescue, max_speed=TOP * threshold, max_turn_rate=0.0)
    return dataclasses.replace(
        settings,
        evaluation_episodes=10,
        shield_episodes=50,
        outside="ends",
        rescue=rescue,
        learning=dataclasses.replace(settings.learning, inputs="raw"),
    )


def source_of(settings: GuideSettings) -> Source:
    """Where a guide is trained and tried. Raises `HandrailError` for what these robots lack."""
    task = velocity_task(settings.environment).source
    starts = _starts(task, settings.rescue)
    for name, value, expected in (
        ("outside", settings.outside, "ends"),
        ("rescue.max_turn_rate", settings.rescue.max_turn_rate, 0.0),
    ):
        if value != expected:
            raise HandrailError(
                f"guide.{name} is {value!r}: expected {expected!r}, since {task.name} has no "
                "border and its episodes begin without turning; leave it out"
            )
    if settings.bonus in OWN_BONUSES:
        raise HandrailError(
            f"guide.bonus is {settings.bonus!r}: expected 'displacement' or 'none', since the "
            f"observation of {task.name} is one vector without named parts; leave it out"
        )

    def training() -> AnyEnvironment:
        first = dataclasses.replace(starts, share=settings.rescue.share)
        environment = VelocityHost(task, episode_length=settings.episode_length, starts=first)
        return environment if settings.bonus == "displacement" else unrewarded(environment)

    clean = VelocityHost(task)
    # the test of a shield: robots driven at random are seldom fast, unless they begin so
    fast = dataclasses.replace(starts, slowest=0.0)
    return Source(
        interface=interface_of(clean, LIMIT_STEPS, name=task.name),
        training=side_by_side(training(), training, settings.copies),
        evaluation=clean,
        shield_test=VelocityHost(task, episode_length=STEPS, starts=fast),
        exits=VelocityHost(task, episode_length=settings.episode_length, starts=starts),
        harm=HARM,
    )


def _starts(task: VelocityTask, rescue: RescueSettings) -> RunningStarts:
    """Starts above the threshold."""
    if rescue.max_speed < task.threshold:
        raise HandrailError(
            f"guide.rescue.max_speed is {rescue.max_speed}: expected at least the threshold of "
            f"{task.name}, {task.threshold} m/s, such as {TOP * task.threshold:g}"
        )
    return RunningStarts(1.0, task.threshold, rescue.max_speed)


def target_of(run: StudentRun, changes: Changes = NOTHING_CHANGED) -> Target:
    """Where a student is trained, and where it is tested: in a world that may be changed."""
    task = velocity_task(run.environment)
    first = VelocityHost(task)
    return Target(
        interface=interface_of(first, LIMIT_STEPS, name=task.name),
        training=side_by_side(first, lambda: VelocityHost(task), run.copies),
        copies=run.copies,
        testing=changed_host(VelocityHost(task), changes, name=task.name),
        view=SameView(),
    )


def pretraining_in(settings: PretrainingSettings) -> Target:
    """Where an expert, or a student to be pre-trained, learns: the target, or the source."""
    target = velocity_task(settings.environment)
    task = target if settings.role == "expert" else target.source
    first = VelocityHost(task)
    return Target(
        interface=interface_of(first, LIMIT_STEPS, name=task.name),
        training=side_by_side(first, lambda: VelocityHost(task), settings.copies),
        copies=settings.copies,
        testing=VelocityHost(task),
    )


def transfer_of(environment: str) -> TransferTask:
    """What `check-transfer` asks of a task; raises `UnknownName`."""
    task = velocity_task(environment)
    problem = TransferProblem(VelocityHost(task.source), VelocityHost(task), SameView(), task.name)
    return TransferTask(problem, task.robot, task.limit, HARM)
