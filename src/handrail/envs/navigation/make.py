"""Making a navigation environment from its name and options."""

from handrail.envs.navigation.compiled import CompiledNavigation, RescueStarts
from handrail.envs.navigation.tasks import TASKS, Variant, navigation_task

NAMES = tuple(name for name, task in TASKS.items() if task.compiles)
"""The tasks that compiled physics can simulate."""


def make_navigation(
    name: str,
    *,
    variant: Variant = "target",
    episode_length: int | None = None,
    rescue: RescueStarts | None = None,
) -> CompiledNavigation:
    """A navigation task on compiled physics, such as `navigation-static`.

    Arguments:
        variant: `target` (the student's, with a goal) or `source` (the guide's, without).
        episode_length: steps; by default the task's 1,000.
        rescue: in the source, a share of episodes that begin inside a hazard.

    Raises `UnknownName` or `HandrailError`; cars and vases need
    `handrail.envs.navigation.mujoco_engine.MujocoNavigation`.
    """
    task = navigation_task(name, variant)
    return CompiledNavigation(task, episode_length=episode_length, rescue=rescue)
