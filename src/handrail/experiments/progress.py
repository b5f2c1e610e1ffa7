"""Progress of tasks: bars on a terminal, elsewhere a line now and then."""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from handrail.core.plain_text import plain
from handrail.core.strict_json import parse
from handrail.experiments.plan import Task
from handrail.experiments.worker import progress_file

Clock = Callable[[], float]
WIDE, NARROW = 100, 60  # columns of a terminal: all parts of a bar; description and numbers alone


class ProgressBars:
    """Shows what one process does, stage by stage: called with (what, step, total).

    A bar for each stage on a terminal; elsewhere lines such as "guide: 20,000 of 300,000 steps".
    `unit` is that of the numbers.
    """

    def __init__(
        self, *, unit: str = "steps", console: Console | None = None, clock: Clock = time.monotonic
    ):
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            *_columns(self._console, TimeRemainingColumn()),
            console=self._console,
            expand=True,
            disable=not self._console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._unit, self._pace = unit, Pace(clock)

    def __enter__(self) -> "ProgressBars":
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """A line above the bars."""
        _print(self._console, text)

    def __call__(self, what: str, step: int, total: int) -> None:
        if self._progress.disable:
            if self._pace.due(what, step / max(total, 1)):
                self.note(f"{what}: {step:,} of {total:,} {self._unit}".rstrip())
            return
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(plain(what), total=total)
        self._progress.update(self._bars[what], completed=step)


class Pace:
    """When a line is due where there is no bar: often enough for a sign of life, and no more.

    Not sooner than `soonest` seconds after the last one, and only if a twentieth of the stage was
    done since or another stage has begun; after a minute whatever was done. The first is due at
    once.
    """

    LATEST, SHARE = 60.0, 0.05

    def __init__(self, clock: Clock = time.monotonic, *, soonest: float = 5.0):
        self._clock, self._soonest = clock, soonest
        self._what, self._share, self._at = "", 0.0, -math.inf

    def due(self, what: str, share: float) -> bool:
        """Whether to print a line now that `share` (0 to 1) of the stage `what` is done."""
        since = self._clock() - self._at
        ahead = what != self._what or share - self._share >= self.SHARE
        if since < self._soonest or (since < self.LATEST and not ahead):
            return False
        self._what, self._share, self._at = what, share, self._clock()
        return True


def _told(task: Task) -> tuple[str, int, int]:
    """What a task's worker is doing, steps done and steps in all, as far as it has told."""
    try:
        entry: Any = parse(progress_file(task.folder).read_text(encoding="utf-8"))
        what, step, total = entry["what"], entry["step"], entry["total"]
    except (OSError, ValueError, LookupError, TypeError):
        return "starting", 0, 1
    if type(what) is not str or type(step) is not int or type(total) is not int or total < 1:
        return "starting", 0, 1
    return what, step, total


def _columns(console: Console, left: ProgressColumn) -> list[ProgressColumn]:
    """The parts of a bar that have room; descriptions are never read as rich's markup."""
    what = Column(no_wrap=True, overflow="ellipsis", ratio=1)  # gets what the others leave
    text = TextColumn("{task.description}", markup=False, table_column=what)
    if console.width >= WIDE:
        return [text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), left]
    if console.width >= NARROW:
        return [text, BarColumn(10), MofNCompleteColumn(), left]
    return [text, MofNCompleteColumn()]


def _print(console: Console, text: str) -> None:
    console.print(plain(text), highlight=False, markup=False, emoji=False, soft_wrap=True)


class Follower:
    """A bar for all tasks, with the remaining time, and one for each running task.

    Without a terminal, finished tasks are printed a line each instead, and between them now and
    then what one of the running tasks is doing.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        *,
        quiet: bool = False,
        console: Console | None = None,
        clock: Clock = time.monotonic,
    ):
        every = {one.folder: one for task in tasks for one in (*task.needs, task)}
        self._tasks = every
        self._before = {folder for folder, task in every.items() if task.done}
        self._seen = set(self._before)
        self._console = console or Console(stderr=True, quiet=quiet)
        self._bars: dict[Path, TaskID] = {}
        self._progress = Progress(
            *_columns(self._console, TextColumn("{task.fields[left]}", markup=False)),
            console=self._console,
            expand=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._clock, self._pace = clock, Pace(clock, soonest=Pace.LATEST)
        self._began = clock()

    def __enter__(self) -> "Follower":
        self._progress.start()
        self._all = self._progress.add_task(
            "all tasks", total=len(self._tasks), completed=len(self._before), left=""
        )
        if self._before and not self._progress.disable:
            count = f"{len(self._before)} of {len(self._tasks)}"
            _print(self._console, f"{count} tasks are done already")
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """A line above the bars."""
        _print(self._console, text)

    def __call__(self, running: list[Task], done: set[Path]) -> None:
        for folder in [f for f in self._bars if f not in {task.folder for task in running}]:
            self._progress.remove_task(self._bars.pop(folder))
        shares = [self._show(task) for task in running]
        for folder in done - self._seen:
            self._seen.add(folder)
            if self._progress.disable and folder in self._tasks:
                count = f"{len(self._seen)}/{len(self._tasks)}"
                _print(self._console, f"done {count}: {self._tasks[folder].label}")
        if running and self._progress.disable:
            self._sign_of_life(running[0])
        left = self._left(len(done - self._before) + sum(shares), len(self._tasks) - len(done))
        self._progress.update(self._all, completed=len(done & self._tasks.keys()), left=left)

    def _show(self, task: Task) -> float:
        what, step, total = _told(task)
        if task.folder not in self._bars:
            self._bars[task.folder] = self._progress.add_task(plain(task.label), total=1, left="")
        self._progress.update(
            self._bars[task.folder],
            description=plain(f"  {task.label}: {what}"),
            total=total,
            completed=step,
        )
        return 0.0 if task.kind != "run" else step / total

    def _sign_of_life(self, task: Task) -> None:
        what, step, total = _told(task)
        if self._pace.due(f"{task.label}: {what}", step / total):
            done = f"{len(self._seen)} of {len(self._tasks)} tasks are done"
            _print(self._console, f"{task.label}: {what}, {step:,} of {total:,}; {done}")

    def _left(self, finished: float, waiting: int) -> str:
        if finished < 0.2:
            return "remaining time unknown"
        seconds = (self._clock() - self._began) / finished * max(waiting, 0)
        return (
            f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
        )
