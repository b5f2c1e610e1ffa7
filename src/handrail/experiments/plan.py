"""What has to be computed for an experiment: knowledge first, then runs, each in its own folder.

Folders are named by a digest of everything that determines their content, so experiments
share what they have in common, and what is finished is never computed again.
"""

import dataclasses
from pathlib import Path
from typing import Any

from handrail.experiments.navigation import rows as navigation
from handrail.experiments.navigation.rows import NavigationRow
from handrail.experiments.navigation.settings import TRANSITIONS
from handrail.experiments.schema import Experiment, Row, digest, rows
from handrail.recorded import original
from handrail.tasks.lava.resolve import LavaRow, resolve


@dataclasses.dataclass(frozen=True)
class Task:
    """A unit of work for one process: settings in, a folder out."""

    kind: str
    """One of `DONE`."""
    folder: Path
    settings: Any
    needs: tuple["Task", ...] = ()
    label: str = ""

    @property
    def done(self) -> bool:
        """Whether the folder holds the finished result."""
        return (self.folder / DONE[self.kind]).exists()


DONE = {
    **{
        kind: f"{kind}.safetensors"
        for kind in ("prior", "encoder", "guide", "expert", "pretrained")
    },
    "run": "summary.json",
}
"""The file that a finished task has left, by kind."""
BESIDE = {"guide": (TRANSITIONS,)}
"""What else a finished task may have left for others, by kind."""


def plan(
    experiment: Experiment, budget: str, seeds: int | None, out: Path
) -> list[tuple[Row, Task]]:
    """The task of every row, with the tasks it needs; equal tasks are the same object."""
    known: dict[Path, Task] = {}

    def once(task: Task) -> Task:
        return known.setdefault(task.folder, task)

    planned = []
    for row in rows(experiment, budget, seeds):
        if navigation.is_navigation(row.environment):
            student = navigation.complete(row.settings)
            needs = tuple(once(task) for task in navigation_knowledge(student, out))
            planned.append((row, once(_student_task(student, needs, out))))
            continue
        completed = resolve(row.settings)
        needs = tuple(once(task) for task in knowledge_tasks(completed, out))
        planned.append((row, once(_run_task(completed, needs, out))))
    return planned


def knowledge_tasks(row: LavaRow, out: Path) -> list[Task]:
    """The tasks that acquire what a row brings along."""
    return [_knowledge_task(kind, settings, out) for kind, settings in row.needs.items()]


def _knowledge_task(kind: str, settings: Any, out: Path) -> Task:
    name = f"{kind}-{settings.view}-{digest(original(settings))}"
    return Task(kind, out / "knowledge" / name, settings, label=f"{kind} ({settings.view})")


def _run_task(row: LavaRow, needs: tuple[Task, ...], out: Path) -> Task:
    run = row.run
    identity = {"run": original(run), "needs": [task.folder.name for task in needs]}
    name = f"{run.environment}-{run.method}-{run.observation}-{run.seed}-{digest(identity)}"
    label = f"{run.method} {run.environment} seed {run.seed}"
    return Task("run", out / "runs" / name, row, needs, label)


def navigation_knowledge(row: NavigationRow, out: Path) -> list[Task]:
    """The tasks that acquire what a student brings along."""
    tasks = []
    for kind, settings in row.knowledge.items():
        name = f"{settings.environment}-{kind}-{settings.seed}-{_digest(settings)}"
        label = f"{kind} {settings.environment} seed {settings.seed}"
        tasks.append(Task(kind, out / "knowledge" / name, settings, label=label))
    return tasks


def _student_task(row: NavigationRow, needs: tuple[Task, ...], out: Path) -> Task:
    run = row.run
    identity = {"run": original(run), "needs": [task.folder.name for task in needs]}
    name = f"{run.environment}-{run.method}-{run.seed}-{digest(identity)}"
    label = f"{run.method} {run.environment} seed {run.seed}"
    return Task("run", out / "runs" / name, row, needs, label)


def _digest(settings: Any) -> str:
    return digest(original(settings))
