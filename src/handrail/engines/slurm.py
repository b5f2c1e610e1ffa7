"""Tasks on a Slurm cluster through submitit (the extra `slurm`), one a job.

The machines of a Slurm cluster share a file system: jobs compute in the output folder, and a
job that is cut off by its time limit, or dies, goes on from its checkpoint when it is sent
again. Needs come first: the process that sends jobs waits for them, so leave it running (in a
terminal multiplexer, say), or repeat the command.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError, first_line
from handrail.engines.base import RETRIES, AbstractEngine, worker_environment
from handrail.experiments.groups import AnyWork
from handrail.experiments.plan import Task
from handrail.experiments.scheduler import AbstractExecutor, Follow, check_jobs, drive
from handrail.experiments.worker import compute_in_place, progress_file

LOG = logging.getLogger(__name__)
MOST_JOBS = 500  # that wait or run at a time, unless told otherwise


@dataclasses.dataclass(frozen=True)
class OnSlurm(AbstractEngine):
    """A Slurm cluster that this machine may send jobs to."""

    logs: Path
    """Where submitit keeps scripts and output of jobs; a folder that all machines see."""
    jobs: int | None = None
    """Jobs at a time."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """submitit's parameters: `timeout_min`, `slurm_partition`, `slurm_account`, …"""
    cluster: str | None = None
    """submitit's executor: None for Slurm; `local` and `debug` run on this machine."""
    retries: int = RETRIES
    """How often a job is sent again that died."""
    poll_seconds: float = 5.0
    """Seconds between questions to Slurm."""

    def compute(self, tasks: Iterable[Task], follow: Follow, *, vmapped: bool = False) -> None:
        """Sends jobs as their needs are done, and waits for all of them."""
        check_jobs(self.jobs)
        drive(
            tasks, lambda _: Jobs(self), follow=follow, poll_seconds=self.poll_seconds,
            vmapped=vmapped,
        )  # fmt: skip


class Jobs(AbstractExecutor):
    """Jobs that have been sent."""

    def __init__(self, engine: OnSlurm):
        self._engine = engine
        self._executor = _executor(engine)
        self._jobs: dict[Path, tuple[Any, AnyWork, int]] = {}
        self._refused: list[tuple[Path, AnyWork, int]] = []  # which Slurm would not take yet

    @property
    def slots(self) -> int:
        """What may wait or run at a time: no more than now where Slurm has refused a job."""
        if self._refused:
            return len(self._jobs) + len(self._refused)
        return self._engine.jobs or MOST_JOBS

    def submit(self, work: AnyWork) -> None:
        """Sends a job."""
        self._send(work.folder, work.absolute(), 0)

    def finished(self, seconds: float) -> dict[Path, str | None]:
        """What has ended; a job that died is sent again."""
        ended: dict[Path, str | None] = {}
        until = time.monotonic() + seconds
        while self._refused and self._takes(*self._refused[0]):
            del self._refused[0]
        while not ended:
            for folder, (job, work, died) in list(self._jobs.items()):
                if not job.done():
                    continue
                try:
                    ended[folder] = job.result()
                except Exception as error:  # UncompletedJobError, or what the job itself raised
                    if died < self._engine.retries:
                        self._send(folder, work, died + 1)
                        continue
                    ended[folder] = (
                        f"its job died {died + 1} times; submitit says: {first_line(error)}"
                    )
                del self._jobs[folder]
            left = until - time.monotonic()
            if left <= 0 or ended:
                break
            time.sleep(min(left, 1.0))
        return ended

    def at_work(self, work: AnyWork) -> bool:
        """Whether the job has said anything yet."""
        return any(progress_file(task.folder).exists() for task in work.tasks)

    def close(self) -> None:
        """Nothing is left to do."""

    def stop(self) -> None:
        """Cancels the jobs."""
        for job, _, _ in self._jobs.values():
            try:
                job.cancel()
            except Exception as error:  # scancel may fail for one, and the others are to end
                LOG.warning("job %s may still run: %s", job.job_id, first_line(error))

    def _send(self, folder: Path, work: AnyWork, died: int) -> None:
        """Sends a job, later where Slurm takes no more of them for now."""
        self._jobs.pop(folder, None)
        if not self._takes(folder, work, died):
            self._refused.append((folder, work, died))

    def _takes(self, folder: Path, work: AnyWork, died: int) -> bool:
        """Whether Slurm takes a job. Raises `HandrailError` where it has none of ours and takes
        none.
        """
        try:
            job = self._executor.submit(ComputeTask(), work, worker_environment())
        except RuntimeError as error:  # submitit's FailedJobError: what sbatch said
            if not self._jobs:
                raise HandrailError(f"Slurm takes no job: {first_line(error)}") from error
            if not self._refused:
                LOG.warning("Slurm takes no more jobs for now: %s", first_line(error))
            return False
        self._jobs[folder] = (job, work, died)
        return True


class ComputeTask:
    """What a job runs; submitit asks it what to send again when the time limit has come."""

    def __call__(self, work: AnyWork, variables: Mapping[str, str]) -> str | None:
        """Computes the work; JAX reads the variables when it is first imported, in here."""
        import os

        os.environ.update(variables)
        return compute_in_place(work)

    def checkpoint(self, work: AnyWork, variables: Mapping[str, str]) -> Any:
        """The same again: a run goes on from its last checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, work, variables)


def _executor(engine: OnSlurm) -> Any:
    try:
        import submitit
    except ImportError:
        raise HandrailError(
            "the engine 'slurm' needs submitit: install it with `pip install 'handrail[slurm]'`"
        ) from None
    cluster = engine.cluster or "slurm"
    options = {"timeout_min": 240, "cpus_per_task": 1, "name": "handrail", **engine.options}
    try:
        executor = submitit.AutoExecutor(folder=engine.logs, cluster=cluster)
        executor.update_parameters(**options)
    except (RuntimeError, NameError, TypeError, ValueError, FileNotFoundError) as error:
        raise HandrailError(
            f"jobs cannot be sent to {cluster!r} from here: {error}; run the command on a "
            "machine that has Slurm's sbatch, and name options as submitit does"
        ) from None
    return executor
