"""An experiment whose tasks are done: what a report is made of."""

import dataclasses
from pathlib import Path

import numpy as np

from handrail.experiments.plan import Task
from handrail.experiments.schema import Experiment, ExperimentRow
from handrail.report.html import Cell as Cell
from handrail.report.runs import Run, read_run, summary_values


@dataclasses.dataclass(frozen=True)
class Finished:
    """The rows of an experiment with their finished tasks, and how it was run."""

    experiment: Experiment
    budget: str
    seeds: tuple[int, ...]
    rows: tuple[tuple[ExperimentRow, Task], ...]
    command: str
    seconds: float
    machine: str
    _read: dict[Path, Run] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def runs(self, variant: str, environment: str) -> list[Run]:
        """The finished runs of a variant in an environment, by seed."""
        folders = [
            task.folder
            for row, task in self.rows
            if row.variant == variant and row.environment == environment
        ]
        for folder in folders:
            if folder not in self._read:  # every table and chart of a page asks for the same runs
                self._read[folder] = read_run(folder)
        return [self._read[folder] for folder in folders]

    def values(self, variant: str, environment: str, quantity: str) -> np.ndarray:
        """One entry of the summaries, `(seeds,)`; NaN where a run of an older version lacks it."""
        runs = self.runs(variant, environment)
        lacks = [run.summary is not None and quantity not in run.summary for run in runs]
        known = [run for run, lacking in zip(runs, lacks, strict=True) if not lacking]
        values = np.full(len(runs), np.nan)
        values[~np.array(lacks, bool)] = summary_values(known, quantity)
        return values

    def ran(self, environment: str) -> list[str]:
        """The variants that have runs in an environment: of an experiment that was collected
        before its end, some have none.
        """
        there = {row.variant for row, _ in self.rows if row.environment == environment}
        return [name for name in self.experiment.variants if name in there]

    @property
    def lengths(self) -> tuple[str, str]:
        """What the columns of our values and of published ones say of how long was trained.

        Both say nothing where the lengths are the same; that of a paper is its budget's.
        """
        paper = self.experiment.budgets.get("paper")
        theirs = paper.overrides.get("steps") if paper else None
        if theirs is None or theirs == self.steps:
            return "", ""
        return f", after {self.steps:,} steps", f", after {theirs:,} steps"

    @property
    def steps(self) -> int:
        """The longest run, in steps."""
        return max(task.settings.run.steps for _, task in self.rows)
