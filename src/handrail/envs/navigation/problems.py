"""The navigation tasks as transfer problems: guide's source, student's target, view between."""

from collections.abc import Callable
from typing import Any

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.host import AnyEnvironment
from handrail.envs.navigation.compiled import CompiledNavigation, RescueStarts
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.tasks import TASKS, NavigationTask, Outside, navigation_task
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS, ArenaTask
from handrail.envs.transfer import TransferProblem, View


def compiled_problem(
    name: str,
    *,
    source_length: int | None = None,
    rescue: RescueStarts | None = None,
    outside: Outside = "ends",
    physics: PhysicsRange | None = None,
) -> TransferProblem:
    """The task on compiled physics: `navigation-static`, `navigation-dynamic-without-vases`, …

    `source_length` shortens the guide's episodes (steps); `rescue` starts some in hazards;
    `outside` says what becomes of them where the robot leaves the extents. `physics` are those of
    source and target; None: nominal.
    Raises `HandrailError` for a task with a car or vases, `UnknownName` for an unknown one.
    """
    task = navigation_task(name)
    return _between(task, CompiledNavigation, source_length, rescue, outside, physics)


def navigation_problem(
    name: str,
    *,
    source_length: int | None = None,
    rescue: RescueStarts | None = None,
    outside: Outside = "ends",
    physics: PhysicsRange | None = None,
) -> TransferProblem:
    """`compiled_problem` where compiled physics can simulate the task, else the same on MuJoCo.

    The latter runs on the host; all of Safety-Gymnasium's tasks do. Raises `HandrailError` if
    `mujoco` is needed but missing, `UnknownName` for an unknown task.
    """
    task = task_of(name)
    if task.compiles:
        return compiled_problem(
            name, source_length=source_length, rescue=rescue, outside=outside, physics=physics
        )
    if isinstance(task, ArenaTask):
        from handrail.envs.safety_gymnasium.host import ArenaHost

        if physics is not None:
            raise HandrailError(
                f"the physics of {name} are those of Safety-Gymnasium, which handrail does not "
                "vary: leave mass, damping and gain out"
            )
        return _between(task, ArenaHost, source_length, rescue, outside)
    from handrail.envs.navigation.mujoco_host import MujocoHost

    return _between(task, MujocoHost, source_length, rescue, outside, physics)


def task_of(name: str) -> NavigationTask | ArenaTask:
    """SaGui's or Safety-Gymnasium's task of this name; raises `UnknownName`."""
    if name not in {**TASKS, **ARENA_TASKS}:
        raise UnknownName("navigation task", name, [*TASKS, *ARENA_TASKS])
    return ARENA_TASKS[name] if name in ARENA_TASKS else navigation_task(name)


def _between(
    target: Any,
    simulate: Callable[..., AnyEnvironment],
    source_length: int | None,
    rescue: RescueStarts | None,
    outside: Outside,
    physics: PhysicsRange | None = None,
) -> TransferProblem:
    where = target.source_that(outside)
    varied = {} if physics is None else {"physics": physics}
    source = simulate(where, episode_length=source_length, rescue=rescue, **varied)
    return TransferProblem(
        source, simulate(target, **varied), View.keep(target.source.parts), target.name
    )
