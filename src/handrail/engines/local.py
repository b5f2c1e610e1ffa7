"""The engine that is always there: processes of this machine."""

import dataclasses
from collections.abc import Iterable

from handrail.core.compile_cache import usable_cores
from handrail.engines.base import AbstractEngine
from handrail.experiments.plan import Task
from handrail.experiments.pool import compute
from handrail.experiments.scheduler import Follow


@dataclasses.dataclass(frozen=True)
class Local(AbstractEngine):
    """Processes of this machine."""

    jobs: int | None = None
    """Tasks at a time; by default one per usable core."""

    def compute(self, tasks: Iterable[Task], follow: Follow, *, vmapped: bool = False) -> None:
        """Computes tasks in worker processes, one thread each."""
        jobs = usable_cores() if self.jobs is None else self.jobs
        compute(tasks, jobs=jobs, follow=follow, vmapped=vmapped)
