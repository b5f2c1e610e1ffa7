"""An experiment whose tasks are done: what a report is made of."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from handrail.core.records import EVALUATIONS, read_table
from handrail.experiments.plan import Task
from handrail.experiments.schema import Experiment, ExperimentRow
from handrail.methods.sagui.metrics import Curves
from handrail.report.html import Cell as Cell
from handrail.report.runs import Run, read_run, summary_values


@runtime_checkable
class Shown(Protocol):
    """What figures ask of an experiment: its runs, by variant and environment.

    `Finished` reads run folders; raw data that were gathered from them answer the same
    (`results/recorded.py`).
    """

    @property
    def experiment(self) -> Experiment: ...

    @property
    def seeds(self) -> tuple[int, ...]: ...

    @property
    def steps(self) -> int: ...

    def ran(self, environment: str) -> list[str]: ...

    def values(self, variant: str, environment: str, quantity: str) -> np.ndarray: ...

    def episodes(self, variant: str, environment: str) -> list[Mapping[str, np.ndarray]]: ...

    def curves(self, variant: str, environment: str) -> list[Curves]: ...

    def limit(self, environment: str) -> float: ...


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
        folders = [task.folder for _, task in self.rows_of(variant, environment)]
        for folder in folders:
            if folder not in self._read:  # every table and chart of a page asks for the same runs
                self._read[folder] = read_run(folder)
        return [self._read[folder] for folder in folders]

    def seeds_of(self, variant: str, environment: str) -> list[int]:
        """The seeds of these runs."""
        return [row.seed for row, _ in self.rows_of(variant, environment)]

    def rows_of(self, variant: str, environment: str) -> list[tuple[ExperimentRow, Task]]:
        """The rows of a variant in an environment with their tasks, by seed."""
        return [
            (row, task)
            for row, task in self.rows
            if row.variant == variant and row.environment == environment
        ]

    def episodes(self, variant: str, environment: str) -> list[Mapping[str, np.ndarray]]:
        """The columns of `episodes.csv` of these runs."""
        return [run.episodes for run in self.runs(variant, environment)]

    def curves(self, variant: str, environment: str) -> list[Curves]:
        """The epochs of these runs, which have students with a limit."""
        folders = [run.folder for run in self.runs(variant, environment)]
        return [Curves.of(read_table(folder / EVALUATIONS)) for folder in folders]

    def limit(self, environment: str) -> float:
        """The limit of the students there: expected cost of an episode."""
        return next(
            task.settings.run.limit for row, task in self.rows if row.environment == environment
        )

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
