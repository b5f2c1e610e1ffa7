"""Computing tasks in several processes, one thread each, with progress and clean interruption.

A process a run is the default; `--vmapped` makes the seeds of a variant one program, which on one
core takes about 1.4 times as many steps a second (docs/guides/gpu.md).
"""

import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from handrail.experiments.groups import AnyWork
from handrail.experiments.plan import Task
from handrail.experiments.scheduler import AbstractExecutor, Failed, Follow, check_jobs, drive
from handrail.experiments.worker import SINGLE_THREADED, compute_in_place

KILLED = (
    "a worker process was killed (out of memory?); repeat the command to go on from "
    "the last checkpoints, with fewer jobs if it happens again"
)


def compute(
    tasks: Iterable[Task],
    *,
    jobs: int,
    follow: Follow = lambda running, done: None,
    poll_seconds: float = 0.25,
    vmapped: bool = False,
) -> None:
    """Computes tasks and what they need, each once, at most `jobs` at a time.

    `follow(running, done)` is called often; `vmapped` is as of `drive`. Ctrl-C stops the workers;
    what they had checkpointed is continued by the next call. Raises `Failed` after all else is
    done.
    """
    check_jobs(jobs)
    with _environment(SINGLE_THREADED):
        drive(
            tasks,
            lambda waiting: Processes(min(jobs, waiting)),
            follow=follow,
            poll_seconds=poll_seconds,
            vmapped=vmapped,
        )


class Processes(AbstractExecutor):
    """Worker processes of this machine."""

    def __init__(self, workers: int):
        self._workers = workers
        self._pool = _pool(workers, multiprocessing.get_context("spawn"))
        self._futures: dict[concurrent.futures.Future, Path] = {}

    @property
    def slots(self) -> int:
        """One task a process."""
        return self._workers

    def submit(self, work: AnyWork) -> None:
        """Hands work to a process that is free."""
        try:
            with _uninterrupted():
                self._futures[self._pool.submit(compute_in_place, work)] = work.folder
        except concurrent.futures.process.BrokenProcessPool:
            raise Failed(KILLED) from None

    def finished(self, seconds: float) -> dict[Path, str | None]:
        """What has ended; a process that was killed takes all others with it."""
        ended, _ = concurrent.futures.wait(
            self._futures, seconds, concurrent.futures.FIRST_COMPLETED
        )
        try:
            return {self._futures.pop(future): future.result() for future in ended}
        except concurrent.futures.process.BrokenProcessPool:
            raise Failed(KILLED) from None

    def at_work(self, work: AnyWork) -> bool:
        """Nothing waits inside the pool."""
        return True

    def close(self) -> None:
        """Ends idle workers."""
        self._pool.shutdown()

    def stop(self) -> None:
        """Ends workers in the middle of their tasks."""
        _terminate(self._pool)


def _pool(workers: int, context) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(
        workers, context, initializer=_quiet, initargs=(os.getpid(),)
    )


def _quiet(parent: int) -> None:
    """Ctrl-C belongs to the parent, which ends its workers; without it they end themselves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Blocks SIGINT in this thread, and for good in processes that it starts inside the block.

    They are then not interrupted before `_quiet` has run. What arrives meanwhile is delivered
    after the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


class _environment:
    """Sets environment variables for the processes started inside the block."""

    def __init__(self, values: dict[str, str]):
        self.values = values

    def __enter__(self):
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_):
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
