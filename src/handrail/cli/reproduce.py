"""Reproducing an experiment: compute what is missing, then report."""

import dataclasses
import time
from pathlib import Path

from handrail.cli.follow import seldom
from handrail.core.compile_cache import processor_name, usable_cores
from handrail.core.errors import HandrailError
from handrail.core.files import check_writable
from handrail.engines.base import AbstractEngine
from handrail.engines.local import Local
from handrail.experiments.groups import alone_of, by_seeds
from handrail.experiments.plan import Task, plan, refuse_changed, report_folder
from handrail.experiments.progress import Follower
from handrail.experiments.scheduler import with_needs
from handrail.experiments.schema import (
    WHOLE,
    Experiment,
    ExperimentRow,
    Portion,
    budget_of,
    only,
    read,
)
from handrail.report.experiment import write_report
from handrail.report.finished import Finished
from handrail.report.html import Table
from handrail.tracking.tracker import Tracker


def reproduce(
    name: str,
    portion: Portion = WHOLE,
    *,
    jobs: int | None = None,
    vmapped: bool = False,
    out: Path = Path("runs"),
    quiet: bool = False,
    engine: AbstractEngine | None = None,
    tracker: Tracker | None = None,
) -> tuple[Path, list[Table]]:
    """Runs what is not finished yet and writes the report; returns its path and its tables.

    Everything is kept under `out`, shared between experiments. Ctrl-C loses at most what the
    running tasks did since their last checkpoint; the same command goes on from there.
    `engine` says where tasks are computed: `jobs` processes of this machine if it is None. With
    `vmapped`, the tasks that differ in their seeds alone are one program in one process; what is
    not is named in a line. `tracker` follows the runs.
    """
    experiment, portion, planned = _planned(name, portion, out)
    check_writable(out)
    tasks = _tasks(experiment, planned)
    refuse_changed(with_needs(tasks))
    began = time.monotonic()
    folders = [one.folder for task in tasks for one in (*task.needs, task)]
    look = seldom(lambda: tracker.try_poll(folders)) if tracker else lambda: None
    with Follower(tasks, quiet=quiet) as follower:
        if vmapped and (text := alone_of(by_seeds(t for t in with_needs(tasks) if not t.done))):
            follower.note(text)

        def follow(running: list[Task], done: set[Path]) -> None:
            follower(running, done)
            look()

        (engine or Local(jobs)).compute(tasks, follow, vmapped=vmapped)
    if tracker:
        tracker.try_poll(folders)
    seconds = time.monotonic() - began
    return _report(experiment, portion, planned, seconds, out)


def report_only(
    name: str, portion: Portion = WHOLE, *, out: Path = Path("runs"), vectors: bool = False
) -> tuple[Path, list[Table]]:
    """Writes the report again; an error if some task has not been finished.

    With `vectors` figures are written as PDF and SVG as well.
    """
    experiment, portion, planned = _planned(name, portion, out)
    missing = [task.label for task in _tasks(experiment, planned) if not task.done]
    if missing:
        raise HandrailError(
            f"{len(missing)} tasks of {name!r} are not finished in {out} (first: {missing[0]}); "
            f"run `{portion.command(name)}`"
        )
    return _report(experiment, portion, planned, 0.0, out, vectors)


def _planned(
    name: str, portion: Portion, out: Path
) -> tuple[Experiment, Portion, list[tuple[ExperimentRow, Task]]]:
    experiment = only(read(name), portion.variants, portion.environments)
    budgets = experiment.budgets
    if portion.budget == WHOLE.budget and portion.budget not in budgets and len(budgets) == 1:
        portion = dataclasses.replace(portion, budget=next(iter(budgets)))
    planned = plan(experiment, portion.budget, portion.seeds, out)
    if not planned:
        raise HandrailError(f"experiment {name!r} has no environments to run on")
    return experiment, portion, planned


def _tasks(experiment: Experiment, planned: list[tuple[ExperimentRow, Task]]) -> list[Task]:
    if experiment.runs:
        return [task for _, task in planned]
    return [need for _, task in planned for need in task.needs]


def _report(
    experiment: Experiment,
    portion: Portion,
    planned: list[tuple[ExperimentRow, Task]],
    seconds: float,
    out: Path,
    vectors: bool = False,
) -> tuple[Path, list[Table]]:
    finished = Finished(
        experiment=experiment,
        budget=portion.budget,
        seeds=budget_of(experiment, portion.budget, portion.seeds).seeds,
        rows=tuple(planned),
        command=portion.command(experiment.name),
        seconds=seconds,
        machine=machine(),
    )
    return write_report(finished, report_folder(experiment, portion, out), vectors=vectors)


def machine() -> str:
    """Processor and core count, for reports."""
    return f"{processor_name()}, {usable_cores()} cores"
