"""Having tasks worked on somewhere: what they need first, each once, failures told at the end."""

import abc
from collections.abc import Callable, Iterable
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.experiments.plan import Task

Follow = Callable[[list[Task], set[Path]], None]


NEED_FAILED = ": what it needs has failed"
MOST_TOLD = 10  # failures; others are counted


class Failed(HandrailError):
    """Some tasks failed; the others are done."""


class AbstractExecutor(abc.ABC):
    """Where tasks are worked on: processes of this machine, a cluster."""

    @property
    @abc.abstractmethod
    def slots(self) -> int:
        """How many tasks may be with the executor at a time."""

    @abc.abstractmethod
    def submit(self, task: Task) -> None:
        """Hands over a task whose needs are done."""

    @abc.abstractmethod
    def finished(self, seconds: float) -> dict[Path, str | None]:
        """By folder, what went wrong (None: nothing) with tasks that have just ended.

        Waits for `seconds` at most. Raises `HandrailError` if the executor is lost altogether.
        """

    @abc.abstractmethod
    def at_work(self, task: Task) -> bool:
        """Whether a task that was handed over has begun."""

    @abc.abstractmethod
    def close(self) -> None:
        """Everything is done."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Ends the tasks that are being worked on; what they have saved is continued later."""


def drive(
    tasks: Iterable[Task],
    make_executor: Callable[[int], AbstractExecutor],
    *,
    follow: Follow = lambda running, done: None,
    poll_seconds: float = 0.25,
) -> None:
    """Has tasks and what they need computed, each once, by what `make_executor` returns.

    `make_executor` is given the number of tasks to be done and is called only if there are any;
    `follow(running, done)` is called often. Raises `Failed` after all else is done.
    """
    waiting = {task.folder: task for task in with_needs(tasks)}
    done = {folder for folder, task in waiting.items() if task.done}
    for folder in done:
        del waiting[folder]
    if not waiting:
        follow([], done)
        return
    failures: dict[Path, str] = {}
    running: dict[Path, Task] = {}
    executor = make_executor(len(waiting))
    try:
        while waiting or running:
            _begin(executor, waiting, running, done, failures)
            for folder, failure in executor.finished(poll_seconds).items():
                task = running.pop(folder)
                if failure is None:
                    done.add(folder)
                else:
                    failures[folder] = f"{task.label}: {failure}"
            follow([task for task in running.values() if executor.at_work(task)], done)
    except BaseException:
        executor.stop()
        raise
    executor.close()
    if failures:
        raise Failed(_told(failures))


def check_jobs(jobs: int | None) -> None:
    """Refuses a number of tasks at a time that is none; None leaves it to the executor."""
    if jobs is not None and jobs < 1:
        raise HandrailError(f"jobs is {jobs}: expected at least 1")


def with_needs(tasks: Iterable[Task]) -> list[Task]:
    """The tasks and what they need, each after its needs, each folder once."""
    ordered: dict[Path, Task] = {}

    def visit(task: Task) -> None:
        if task.folder not in ordered:
            for need in task.needs:
                visit(need)
            ordered[task.folder] = task

    for task in tasks:
        visit(task)
    return list(ordered.values())


def _begin(
    executor: AbstractExecutor,
    waiting: dict[Path, Task],
    running: dict[Path, Task],
    done: set[Path],
    failures: dict[Path, str],
) -> None:
    for folder, task in list(waiting.items()):
        if len(running) >= executor.slots:
            return
        missing = [need for need in task.needs if need.folder not in done]
        if any(need.folder in failures for need in missing):
            failures[folder] = f"{task.label}{NEED_FAILED}"
            del waiting[folder]
        elif not missing:
            executor.submit(task)
            running[folder] = task
            del waiting[folder]


def _told(failures: dict[Path, str]) -> str:
    """How many tasks failed, and why: those first that failed by themselves."""
    texts = sorted(failures.values(), key=lambda text: text.endswith(NEED_FAILED))
    more = len(texts) - MOST_TOLD
    others = [f"and {more} more"] if more > 0 else []
    return f"{len(texts)} of the tasks failed: {'; '.join([*texts[:MOST_TOLD], *others])}"
