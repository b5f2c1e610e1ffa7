"""The navigation tasks as transfer problems: guide's source, student's target, view between."""

from collections.abc import Callable

from handrail.envs.host import AnyEnvironment
from handrail.envs.navigation.compiled import CompiledNavigation, RescueStarts
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.tasks import Outside, navigation_task
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
    return _problem(name, CompiledNavigation, source_length, rescue, outside, physics)


def navigation_problem(
    name: str,
    *,
    source_length: int | None = None,
    rescue: RescueStarts | None = None,
    outside: Outside = "ends",
    physics: PhysicsRange | None = None,
) -> TransferProblem:
    """`compiled_problem` where compiled physics can simulate the task, else the same on MuJoCo.

    The latter runs on the host. Raises `HandrailError` if `mujoco` is needed but missing,
    `UnknownName` for an unknown task.
    """
    if navigation_task(name).compiles:
        return compiled_problem(
            name, source_length=source_length, rescue=rescue, outside=outside, physics=physics
        )
    from handrail.envs.navigation.mujoco_host import MujocoHost

    return _problem(name, MujocoHost, source_length, rescue, outside, physics)


def _problem(
    name: str,
    simulate: Callable[..., AnyEnvironment],
    source_length: int | None,
    rescue: RescueStarts | None,
    outside: Outside,
    physics: PhysicsRange | None,
) -> TransferProblem:
    target = navigation_task(name)
    where = target.source_that(outside)
    source = simulate(where, episode_length=source_length, rescue=rescue, physics=physics)
    return TransferProblem(
        source, simulate(target, physics=physics), View.keep(target.source.parts), name
    )
