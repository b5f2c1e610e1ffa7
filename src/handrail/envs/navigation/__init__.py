"""SaGui's navigation tasks (arXiv:2307.14316): on MuJoCo, and without vases as compiled physics.

The MuJoCo engine is `handrail.envs.navigation.mujoco_engine.MujocoNavigation`; it is imported
only where it is used.
"""

from handrail.envs.navigation.compiled import CompiledNavigation, NavigationState, RescueStarts
from handrail.envs.navigation.problems import compiled_problem, navigation_problem
from handrail.envs.navigation.tasks import TASKS, NavigationTask, Objects, navigation_task

__all__ = [
    "TASKS",
    "CompiledNavigation",
    "NavigationState",
    "NavigationTask",
    "Objects",
    "RescueStarts",
    "compiled_problem",
    "navigation_problem",
    "navigation_task",
]
