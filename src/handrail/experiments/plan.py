"""What has to be computed for an experiment: knowledge first, then runs, each in its own folder.

Folders are named by a digest of everything that determines their content, so experiments
share what they have in common, and what is finished is never computed again.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.files import read_json
from handrail.core.recorded import PASSED, original
from handrail.core.renamed import migrated
from handrail.experiments.schema import Experiment, ExperimentRow, Portion, budget_of, digest, rows
from handrail.tasks.family import Family, Row
from handrail.tasks.registry import family_of
from handrail.train.run_folder import claim

RUN = "run"  # the kind of a task that is no knowledge
SUMMARY = "summary.json"


@dataclasses.dataclass(frozen=True)
class Task:
    """A unit of work for one process: settings in, a folder out."""

    kind: str
    """A kind of knowledge, or `RUN`."""
    folder: Path
    settings: Any
    """Of the knowledge; of a run the resolved `Row`."""
    needs: tuple["Task", ...] = ()
    label: str = ""

    @property
    def file(self) -> Path:
        """What is there when the task has finished: knowledge, or a run's summary."""
        return self.folder / (SUMMARY if self.kind == RUN else f"{self.kind}.safetensors")

    @property
    def done(self) -> bool:
        """Whether the folder holds the finished result."""
        return self.file.exists()

    @property
    def tasks(self) -> tuple["Task", ...]:
        """Itself: a task is worked on like a group of one."""
        return (self,)

    def absolute(self) -> "Task":
        """The same for a process in another working folder."""
        needs = tuple(need.absolute() for need in self.needs)
        return dataclasses.replace(self, folder=self.folder.resolve(), needs=needs)

    @property
    def family(self) -> Family:
        """The family of tasks that it belongs to."""
        own = self.settings.run if self.kind == RUN else self.settings
        return family_of(own.environment)


def plan(
    experiment: Experiment, budget: str, seeds: int | None, out: Path
) -> list[tuple[ExperimentRow, Task]]:
    """The task of every row, with the tasks it needs; equal tasks are the same object."""
    known: dict[Path, Task] = {}

    def once(task: Task) -> Task:
        return known.setdefault(task.folder, task)

    planned = []
    for row in rows(experiment, budget, seeds):
        family = family_of(row.environment)
        resolved = family.resolve(row.settings)
        family.suits(resolved.run, resolved.knowledge)
        needs = tuple(once(task) for task in knowledge_tasks(resolved, out))
        planned.append((row, once(run_task(resolved, needs, out))))
    return planned


def report_folder(experiment: Experiment, portion: Portion, out: Path) -> Path:
    """Where the report of a portion of an experiment goes: that of a part does not take the place
    of the whole one.
    """
    part = [*experiment.variants, *(experiment.environments if portion.environments else ())]
    some = f"-{digest(part)}" if portion.part else ""
    own, every = (
        len(budget_of(experiment, portion.budget, seeds).seeds) for seeds in (portion.seeds, None)
    )
    fewer = "" if own == every else f"-{own}-seeds"
    return out / "reports" / f"{experiment.name}-{portion.budget}{some}{fewer}"


def refuse_changed(tasks: Iterable[Task]) -> None:
    """Refuses finished work of tasks whose settings name code that has changed since.

    Names of folders do not know the code behind a name; `run.json` does.
    """
    described: dict[str, Mapping[str, Any]] = {}
    for task in tasks:
        if not task.done:
            continue  # what goes on with it compares
        settings = task.settings.run if task.kind == RUN else task.settings
        seedless = original(dataclasses.replace(settings, seed=0))
        same = f"{type(settings).__name__} {digest(seedless)}"
        if same not in described:
            described[same] = task.family.named_code(settings)
        if described[same]:
            for path in sorted(task.folder.rglob("run.json")):
                recorded = migrated(read_json(path), str(path))
                claim(path.parent, {**recorded, PASSED: described[same]})


def knowledge_tasks(row: Row, out: Path) -> list[Task]:
    """The tasks that acquire what a run brings along."""
    family, tasks = family_of(row.run.environment), []
    for kind, settings in row.knowledge.items():
        name = f"{family.knowledge_name(kind, settings)}-{digest(original(settings))}"
        label = family.label(kind, settings)
        tasks.append(Task(kind, out / "knowledge" / name, settings, label=label))
    return tasks


def run_task(row: Row, needs: tuple[Task, ...], out: Path) -> Task:
    """The task of a run whose knowledge comes from these tasks."""
    run, family = row.run, family_of(row.run.environment)
    identity = {"run": original(run), "needs": [task.folder.name for task in needs]}
    name = f"{family.run_name(run)}-{digest(identity)}"
    label = f"{run.method} {run.environment} seed {run.seed}"
    return Task(RUN, out / "runs" / name, row, needs, label)
