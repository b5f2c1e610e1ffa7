"""What computes the tasks of an experiment: this machine, a Ray cluster, a Slurm cluster.

The same tasks give the same bytes on every engine: a task's result depends on its settings
only, and every worker runs single-threaded.
"""

import abc
import os
from collections.abc import Iterable

from handrail.envs.gymnasium.named import MODULES
from handrail.experiments.plan import Task
from handrail.experiments.scheduler import Follow
from handrail.experiments.worker import SINGLE_THREADED

RETRIES = 3  # of a task whose worker died


class AbstractEngine(abc.ABC):
    """Something that has tasks computed."""

    @abc.abstractmethod
    def compute(self, tasks: Iterable[Task], follow: Follow, *, vmapped: bool = False) -> None:
        """Computes tasks and what they need; what is finished is not repeated.

        With `vmapped`, tasks that differ in their seeds alone are one program in one process.

        Raises `Failed` after all else is done, and `HandrailError` where the engine itself
        cannot be had (an extra that is not installed, an address that nobody answers).
        """


def worker_environment() -> dict[str, str]:
    """Environment variables of a worker: one thread, this process's settings, and its folder, in
    which modules of the user's are (seen by workers of this machine, or of a common file system).

    Those of JAX go along since some decide about numbers (`JAX_ENABLE_X64`).
    """
    settings = ("HANDRAIL_", "JAX_")
    own = {name: value for name, value in os.environ.items() if name.startswith(settings)}
    return {MODULES: os.getcwd(), **own, **SINGLE_THREADED}
