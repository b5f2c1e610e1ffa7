"""Gathers finished experiments into results/lava or results/navigation: summary, curves, figures.

    python results/collect.py RUNS NAME[@BUDGET][:SEEDS] …

`RUNS` is the folder given to `handrail reproduce --out`, `NAME` an experiment, `BUDGET` the
paper's unless said, `SEEDS` the number of seeds it was run with if not the budget's own. Runs that
are not finished are left out, and said. Rows and curves of the same task, variant and seed are
replaced, all others stay: an experiment may be collected from several machines. Pictures show what
is finished in `RUNS`. Runs on test seeds (`--budget fresh`) are kept apart, as NAME-BUDGET.
"""

import csv
import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from handrail.core.records import EVALUATIONS, read_table
from handrail.core.splits import split_of
from handrail.experiments.plan import Task, plan
from handrail.experiments.schema import ExperimentRow, budget_of, read
from handrail.report.experiment import sheet, write_report
from handrail.report.finished import Finished
from handrail.report.runs import read_run
from handrail.tasks.registry import family_of


def collect(runs: Path, name: str, budget: str, seeds: int | None) -> None:
    """Collects one experiment; `name` may be the path of a file."""
    experiment = read(name)
    name = experiment.name
    family = family_of(experiment.environments[0]).name
    folder = Path(__file__).parent / family
    if not experiment.runs:
        _copy_pictures(runs / "reports" / f"{name}-{budget}", folder, name)
        return
    planned = plan(experiment, budget, seeds, runs)
    done = [(row, task) for row, task in planned if task.done]
    print(f"{name}: {len(done)} of {len(planned)} runs are finished")
    if not done:
        return
    shown = {row.variant for row, _ in done}
    variants = {name: own for name, own in experiment.variants.items() if name in shown}
    seeds_of = budget_of(experiment, budget, seeds).seeds
    if split_of(seeds_of) == "test":
        name = f"{name}-{budget}"
    finished = Finished(
        experiment=dataclasses.replace(experiment, name=name, variants=variants),
        budget=budget,
        seeds=seeds_of,
        rows=tuple(done),
        command="",
        seconds=0.0,
        machine="",
    )
    with tempfile.TemporaryDirectory() as report:
        write_report(finished, Path(report))
        _copy_pictures(Path(report), folder, name)
    summed = sheet(experiment)
    _merge(folder / "summary.csv", summed.columns, summed.rows(finished))
    curves = folder / ("epochs" if family == "navigation" else "episodes")
    curves.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{row.environment}/{row.variant}/{row.seed}": _curve(row, task) for row, task in done
    }
    path = curves / f"{name}.npz"
    before = dict(np.load(path)) if path.exists() else {}
    np.savez_compressed(path, **before | arrays)  # pyrefly: ignore[bad-argument-type]


def _copy_pictures(report: Path, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(sorted(report.glob("figure-*.png")), start=1):
        suffix = "" if number == 1 else f"-{number}"
        shutil.copyfile(picture, folder / f"{name}{suffix}.png")


def _curve(row: ExperimentRow, task: Task) -> np.ndarray:
    """The columns of evaluations.csv (navigation) or episodes.csv (lava) beside each other."""
    if (task.folder / EVALUATIONS).exists():
        table = read_table(task.folder / EVALUATIONS)
    else:
        table = read_run(task.folder).episodes
    return np.stack(list(table.values()), axis=1).astype(np.float32)


def _merge(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    """Puts rows in the places of their predecessors, and new ones behind their experiment's."""
    table: dict[tuple[str, ...], dict] = {}
    if path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            table = {_key(row): row for row in csv.DictReader(file)}
    table |= {_key(row): row for row in rows}
    experiments = list(dict.fromkeys(key[0] for key in table))
    kept = sorted(table.values(), key=lambda row: experiments.index(row["experiment"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


def _key(row: dict) -> tuple[str, ...]:
    names = ("experiment", "task", "environment", "observation", "knowledge", "variant", "seed")
    return tuple(str(row[name]) for name in names if name in row)


if __name__ == "__main__":
    for text in sys.argv[2:]:
        wanted, _, count = text.partition(":")
        named, _, chosen = wanted.partition("@")
        collect(Path(sys.argv[1]), named, chosen or "paper", int(count) if count else None)
