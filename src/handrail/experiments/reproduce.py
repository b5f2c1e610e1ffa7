"""Reproducing an experiment: compute what is missing, then report."""

import dataclasses
import platform
import time
from pathlib import Path
from typing import Any

from handrail.errors import HandrailError
from handrail.experiments.plan import Task, plan
from handrail.experiments.pool import compute
from handrail.experiments.progress import Follower
from handrail.experiments.schema import Experiment, Row, budget_of, read


@dataclasses.dataclass(frozen=True)
class Finished:
    """An experiment whose tasks are done: what a report is made of."""

    experiment: Experiment
    budget: str
    seeds: tuple[int, ...]
    rows: tuple[tuple[Row, Task], ...]
    command: str
    seconds: float
    machine: str


def reproduce(
    name: str,
    *,
    budget: str,
    seeds: int | None = None,
    jobs: int | None = None,
    out: Path = Path("runs"),
    quiet: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Runs what is not finished yet and writes the report; returns its path and a summary.

    Everything is kept under `out`, shared between experiments. Ctrl-C loses at most what the
    running tasks did since their last checkpoint; the same command goes on from there.
    """
    experiment = read(name)
    if budget not in experiment.budgets and len(experiment.budgets) == 1:
        budget = next(iter(experiment.budgets))
    planned = plan(experiment, budget, seeds, out)
    if not planned:
        raise HandrailError(f"experiment {name!r} has no environments to run on")
    tasks = [task for _, task in planned]
    if not experiment.runs:
        tasks = [need for task in tasks for need in task.needs]
    began = time.monotonic()
    jobs = jobs or usable_cores()
    with Follower(tasks, quiet=quiet) as follower:
        compute(tasks, jobs=jobs, follow=follower)
    finished = Finished(
        experiment=experiment,
        budget=budget,
        seeds=budget_of(experiment, budget, seeds).seeds,
        rows=tuple(planned),
        command=_command(name, budget, seeds),
        seconds=time.monotonic() - began,
        machine=machine(),
    )
    from handrail.report.experiment import write_report

    return write_report(finished, out / "reports" / f"{experiment.name}-{budget}")


def usable_cores() -> int:
    """Cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """Processor and core count, for reports."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            models = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        name = models[0] if models else name
    except OSError:
        pass
    return f"{name}, {usable_cores()} cores"


def _command(name: str, budget: str, seeds: int | None) -> str:
    extra = f" --seeds {seeds}" if seeds is not None else ""
    return f"handrail reproduce {name} --budget {budget}{extra}"
