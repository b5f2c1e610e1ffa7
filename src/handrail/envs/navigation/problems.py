"""The navigation tasks as transfer problems: guide's source, student's target, view between."""

from handrail.envs.navigation.compiled import CompiledNavigation, RescueStarts
from handrail.envs.navigation.tasks import Outside, navigation_task
from handrail.envs.transfer import TransferProblem, View


def compiled_problem(
    name: str,
    *,
    source_length: int | None = None,
    rescue: RescueStarts | None = None,
    outside: Outside = "ends",
) -> TransferProblem:
    """The task on compiled physics: `navigation-static`, `navigation-dynamic-without-vases`, …

    `source_length` shortens the guide's episodes (steps); `rescue` starts some in hazards;
    `outside` says what becomes of them where the robot leaves the extents.
    Raises `HandrailError` for a task with a car or vases, `UnknownName` for an unknown one.
    """
    target = navigation_task(name)
    where = target.source_that(outside)
    source = CompiledNavigation(where, episode_length=source_length, rescue=rescue)
    view = View.keep(target.source.parts)
    return TransferProblem(source, CompiledNavigation(target), view, name)


def navigation_problem(
    name: str,
    *,
    source_length: int | None = None,
    rescue: RescueStarts | None = None,
    outside: Outside = "ends",
) -> TransferProblem:
    """The task on compiled physics where that can simulate it, else on MuJoCo, on the host.

    `source_length` shortens the guide's episodes (steps); `rescue` starts some in hazards;
    `outside` says what becomes of them where the robot leaves the extents.
    Raises `HandrailError` if `mujoco` is needed but missing, `UnknownName` for an unknown task.
    """
    target = navigation_task(name)
    if target.compiles:
        return compiled_problem(name, source_length=source_length, rescue=rescue, outside=outside)
    from handrail.envs.navigation.mujoco_host import MujocoHost

    where = target.source_that(outside)
    source = MujocoHost(where, episode_length=source_length, rescue=rescue)
    view = View.keep(target.source.parts)
    return TransferProblem(source, MujocoHost(target), view, name)
