"""What has to be computed for an experiment: knowledge first, then runs, each in its own folder.

Folders are named by a digest of everything that determines their content, so experiments
share what they have in common, and what is finished is never computed again.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from handrail.errors import HandrailError
from handrail.experiments.lava.knowledge_settings import EncoderSettings, PriorSettings
from handrail.experiments.lava.settings import (
    NEEDS_ENCODER,
    NEEDS_PRIOR,
    LavaRun,
    View,
    recommended,
)
from handrail.experiments.navigation import rows as navigation
from handrail.experiments.navigation.rows import NavigationRow
from handrail.experiments.navigation.settings import TRANSITIONS
from handrail.experiments.schema import Experiment, Row, digest, override, rows
from handrail.recorded import original

Layouts = Literal["one", "many"]


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


@dataclasses.dataclass(frozen=True)
class LavaRow:
    """A row's settings, completed: the run and the knowledge that it brings along."""

    run: LavaRun
    prior: PriorSettings | None
    encoder: EncoderSettings | None
    knowledge: str
    """How the knowledge was come by: `none`, `one` (layout) or `many`."""


def complete(settings: Mapping[str, Any]) -> LavaRow:
    """Reads a row's dotted settings: `run.…`, `prior.…`, `encoder.…`, `knowledge` and `preset`.

    `knowledge` says whether prior and encoder come from one layout (the paper) or from many;
    `preset` is `paper` or `recommended`.
    """
    groups: dict[str, dict[str, Any]] = {"run": {}, "prior": {}, "encoder": {}}
    knowledge: Any = "one"
    preset: Any = "paper"
    for name, value in settings.items():
        group, _, rest = name.partition(".")
        if name == "knowledge":
            knowledge = value
        elif name == "preset":
            preset = value
        elif rest and group in groups:
            groups[group][rest] = value
        else:
            groups["run"][name] = value
    if knowledge not in ("one", "many"):
        raise HandrailError(f"knowledge is {knowledge!r}: expected 'one' or 'many'")
    if preset not in ("paper", "recommended"):
        raise HandrailError(f"preset is {preset!r}: expected 'paper' or 'recommended'")
    run = override(LavaRun(), {k: v for k, v in groups["run"].items() if "." not in k})
    run = recommended(run) if preset == "recommended" else run
    run = override(run, groups["run"])
    prior = _prior(run, knowledge, groups["prior"]) if run.method in NEEDS_PRIOR else None
    encoder = _encoder(run, knowledge, groups["encoder"]) if run.method in NEEDS_ENCODER else None
    return LavaRow(run, prior, encoder, knowledge if prior or encoder else "none")


def _view(run: LavaRun) -> View:
    """Knowledge reads symbolic observations through the egocentric view.

    What warns of lava is where it lies from the agent; a perceptron on the whole grid would
    have to learn that anew for every cell, where the paper's convolutions need not
    (docs/results-lava.md compares both views).
    """
    return "egocentric" if run.observation == "symbolic" else run.observation


def _prior(run: LavaRun, knowledge: Layouts, own: Mapping[str, Any]) -> PriorSettings:
    settings = PriorSettings(view=_view(run), layouts=knowledge)
    if knowledge == "many":
        settings = override(
            settings,
            {
                "environment": "LavaCrossingS9N2",
                "source_learning.discount": 0.95,
                "prior_learning.discount": 0.95,
            },
        )
    return override(settings, own, within="prior.")


def _encoder(run: LavaRun, knowledge: Layouts, own: Mapping[str, Any]) -> EncoderSettings:
    settings = EncoderSettings(view=_view(run))
    if knowledge == "many":
        settings = override(settings, {"environment": "LavaCrossingS9N2"})
    return override(settings, own, within="encoder.")


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
        completed = complete(row.settings)
        needs = tuple(once(task) for task in knowledge_tasks(completed, out))
        planned.append((row, once(_run_task(completed, needs, out))))
    return planned


def knowledge_tasks(row: LavaRow, out: Path) -> list[Task]:
    """The tasks that acquire what a row brings along."""
    wanted = (("prior", row.prior), ("encoder", row.encoder))
    return [
        _knowledge_task(kind, settings, out) for kind, settings in wanted if settings is not None
    ]


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
