"""Tasks that differ in their seeds alone, worked on by one process as one program."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from handrail.core.recorded import stable
from handrail.experiments.plan import RUN, Task

MOST_NAMED = 3  # labels in a line


@dataclasses.dataclass(frozen=True)
class TaskGroup:
    """At least one task, each with a folder and needs of its own."""

    tasks: tuple[Task, ...]

    @property
    def folder(self) -> Path:
        """That of the first one, by which executors know the group."""
        return self.tasks[0].folder

    @property
    def needs(self) -> tuple[Task, ...]:
        """What any of them needs, each once."""
        return tuple({need.folder: need for task in self.tasks for need in task.needs}.values())

    @property
    def done(self) -> bool:
        """Whether all of them are."""
        return all(task.done for task in self.tasks)

    def absolute(self) -> "TaskGroup":
        """The same for a process in another working folder."""
        return TaskGroup(tuple(task.absolute() for task in self.tasks))


AnyWork = Task | TaskGroup
"""What one process works on at a time."""


def by_seeds(tasks: Iterable[Task]) -> list[AnyWork]:
    """Tasks in compiled environments that differ in their seeds alone, in one group each.

    A task on the host stays by itself: its steps are not part of a program.
    """
    groups: dict[str, list[Task]] = {}
    others: list[AnyWork] = []
    for task in tasks:
        if task.family.compiles(_own(task).environment):
            groups.setdefault(_but_for_seed(task), []).append(task)
        else:
            others.append(task)
    return [*(TaskGroup(tuple(group)) for group in groups.values()), *others]


def alone_of(work: Iterable[AnyWork]) -> str | None:
    """One line that names what is computed by itself; None where there is nothing of the kind."""
    labels = [one.tasks[0].label for one in work if len(one.tasks) == 1]
    if not labels:
        return None
    more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
    return (
        "computed by themselves, since they run on the host or have no other seed: "
        f"{', '.join(labels[:MOST_NAMED])}{more}"
    )


def _own(task: Task) -> Any:
    """The settings of a task itself."""
    return task.settings.run if task.kind == RUN else task.settings


def _but_for_seed(task: Task) -> str:
    same = stable(dataclasses.replace(_own(task), seed=0))
    return json.dumps([task.kind, same, [need.kind for need in task.needs]], sort_keys=True)
