"""Progress bars of tasks that run in other processes."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from handrail.experiments.plan import Task
from handrail.plain_text import plain
from handrail.strict_json import parse


def _told(path: Path) -> dict[str, Any]:
    """What a running task says of itself; files that are none yet say nothing."""
    try:
        entry = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        entry = None
    if isinstance(entry, dict) and "what" in entry:
        step, total = entry.get("step"), entry.get("total")
        if isinstance(step, int) and isinstance(total, int) and total > 0:
            return entry
    return {"what": "starting", "step": 0, "total": 1}


class Steps:
    """A bar for what one process does, stage by stage: called with (what, step, total)."""

    def __init__(self):
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """A line above the bars."""
        shown = plain(text)
        self._progress.console.print(shown, highlight=False, markup=False, soft_wrap=True)

    def __call__(self, what: str, step: int, total: int) -> None:
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(plain(what), total=total)
        self._progress.update(self._bars[what], completed=step)


class Follower:
    """A bar for all tasks, with the remaining time, and one for each running task.

    Without a terminal, finished tasks are printed a line each instead.
    """

    def __init__(self, tasks: Iterable[Task], *, quiet: bool = False):
        every = {one.folder: one for task in tasks for one in (*task.needs, task)}
        self._tasks = every
        self._before = {folder for folder, task in every.items() if task.done}
        self._seen = set(self._before)
        self._console = Console(stderr=True, quiet=quiet)
        self._bars: dict[Path, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._began = time.monotonic()

    def __enter__(self) -> "Follower":
        self._progress.start()
        self._all = self._progress.add_task(
            "all tasks", total=len(self._tasks), completed=len(self._before), left=""
        )
        if self._before and not self._progress.disable:
            self._console.print(f"{len(self._before)} of {len(self._tasks)} tasks are done already")
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def __call__(self, running: list[Task], done: set[Path]) -> None:
        for folder in [f for f in self._bars if f not in {task.folder for task in running}]:
            self._progress.remove_task(self._bars.pop(folder))
        shares = [self._show(task) for task in running]
        for folder in done - self._seen:
            self._seen.add(folder)
            if self._progress.disable and folder in self._tasks:
                label = plain(self._tasks[folder].label)
                line = f"done {len(self._seen)}/{len(self._tasks)}: {label}"
                self._console.print(line, markup=False, emoji=False)
        left = self._left(len(done - self._before) + sum(shares), len(self._tasks) - len(done))
        self._progress.update(self._all, completed=len(done & self._tasks.keys()), left=left)

    def _show(self, task: Task) -> float:
        entry = _told(task.folder.with_name(f".{task.folder.name}.progress"))
        if task.folder not in self._bars:
            self._bars[task.folder] = self._progress.add_task("", total=1, left="")
        self._progress.update(
            self._bars[task.folder],
            description=plain(f"  {task.label}: {entry['what']}"),
            total=entry["total"],
            completed=entry["step"],
        )
        return 0.0 if task.kind != "run" else entry["step"] / entry["total"]

    def _left(self, finished: float, waiting: int) -> str:
        if finished < 0.2:
            return "remaining time unknown"
        seconds = (time.monotonic() - self._began) / finished * max(waiting, 0)
        return (
            f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
        )
