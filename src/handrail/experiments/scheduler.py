"""Having tasks worked on somewhere: what they need first, each once, failures told at the end."""

import abc
from collections.abc import Callable, Iterable
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.experiments.groups import AnyWork, TaskGroup, by_seeds
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
    def submit(self, work: AnyWork) -> None:
        """Hands over tasks whose needs are done."""

    @abc.abstractmethod
    def finished(self, seconds: float) -> dict[Path, str | None]:
        """By folder, what went wrong (None: nothing) with groups that have just ended.

        Waits for `seconds` at most. Raises `HandrailError` if the executor is lost altogether.
        """

    @abc.abstractmethod
    def at_work(self, work: AnyWork) -> bool:
        """Whether a group that was handed over has begun."""

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
    vmapped: bool = False,
) -> None:
    """Has tasks and what they need computed, each once, by what `make_executor` returns.

    `make_executor` is given the number of tasks to be done and is called only if there are any;
    `follow(running, done)` is called often. With `vmapped`, tasks that differ in their seeds alone
    are handed over as one group, else every task by itself. Raises `Failed` after all else is done.
    """
    every = with_needs(tasks)
    done = {task.folder for task in every if task.done}
    left = [task for task in every if task.folder not in done]
    waiting = {work.folder: work for work in (by_seeds(left) if vmapped else left)}
    if not waiting:
        follow([], done)
        return
    failures: dict[Path, str] = {}
    running: dict[Path, AnyWork] = {}
    executor = make_executor(len(waiting))
    try:
        while waiting or running:
            _begin(executor, waiting, running, done, failures)
            for folder, failure in executor.finished(poll_seconds).items():
                _end(running.pop(folder), failure, done, failures)
            begun = [work for work in running.values() if executor.at_work(work)]
            follow([task for work in begun for task in work.tasks], done)
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
    waiting: dict[Path, AnyWork],
    running: dict[Path, AnyWork],
    done: set[Path],
    failures: dict[Path, str],
) -> None:
    for folder, work in list(waiting.items()):
        if len(running) >= executor.slots:
            return
        able = []
        for task in work.tasks:
            if any(need.folder in failures for need in task.needs):
                failures[task.folder] = f"{task.label}{NEED_FAILED}"
            else:
                able.append(task)
        if able and any(need.folder not in done for task in able for need in task.needs):
            continue
        del waiting[folder]
        if able:
            work = TaskGroup(tuple(able)) if isinstance(work, TaskGroup) else work
            executor.submit(work)
            running[work.folder] = work


def _end(work: AnyWork, failure: str | None, done: set[Path], failures: dict[Path, str]) -> None:
    """One task of a group that failed does not take the others with it."""
    for task in work.tasks:
        if failure is None or (len(work.tasks) > 1 and task.done):
            done.add(task.folder)
        else:
            failures[task.folder] = f"{task.label}: {failure}"


def _told(failures: dict[Path, str]) -> str:
    """How many tasks failed, and why: those first that failed by themselves."""
    texts = sorted(failures.values(), key=lambda text: text.endswith(NEED_FAILED))
    more = len(texts) - MOST_TOLD
    others = [f"and {more} more"] if more > 0 else []
    return f"{len(texts)} of the tasks failed: {'; '.join([*texts[:MOST_TOLD], *others])}"
