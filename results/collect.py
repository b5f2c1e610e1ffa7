"""Gathers finished experiments into results/FAMILY: a row and the curves of every run.

    python -m results.collect [--mixed] RUNS NAME[@BUDGET][:SEEDS] …

`RUNS` is the folder given to `handrail reproduce --out`, `NAME` an experiment, `BUDGET` the
paper's unless said, `SEEDS` the number of seeds it was run with if not the budget's own. Runs that
are not finished are left out, and said. Rows and curves of the same task, variant and seed are
replaced, all others stay: an experiment may be collected from several machines. Runs on test seeds
(`--budget fresh`) are kept apart, as NAME-BUDGET. Pictures are drawn from what was gathered
(`results/figures.py`), but for those of what lies in run folders alone, which are copied.

Each row says on which split its seed lies, with which seed its knowledge was acquired, and which
commit and machine computed it. Rows of one variant are averaged later, so rows that differ in
commit, machine or steps are refused, named, unless `--mixed` says that this is meant.
"""

import argparse
import csv
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.records import EVALUATIONS, read_table
from handrail.core.splits import split_of
from handrail.experiments.plan import SUMMARY, Task, plan, report_folder
from handrail.experiments.schema import ExperimentRow, Portion, budget_of, read
from handrail.methods.sagui.evaluations import episodes_above
from handrail.report.experiment import sheet, write_report
from handrail.report.finished import Finished
from handrail.report.runs import computed_by, read_run
from handrail.tasks.registry import family_of
from results.tables import BROKEN, HERE, SHIELD_TEST, arrays_of

ORIGIN = ("split", "knowledge_seed", "commit", "machine")
"""Columns that say where a row comes from; empty where an older run did not note it."""
KEY = (
    "experiment", "task", "environment", "observation", "knowledge", "variant", "seed", "policy",
)  # fmt: skip
"""What tells the rows of a table apart, of those columns that it has."""
FROM_FOLDERS = ("heatmap", "embedding", "coverage")
"""Reports whose pictures show what was not gathered."""
ALIKE = ("commit", "machine", "steps")
"""What the rows of a variant must have in common to be averaged."""


def collect(runs: Path, name: str, budget: str, seeds: int | None, *, mixed: bool = False) -> None:
    """Collects one experiment; `name` may be the path of a file.

    Raises `HandrailError` where rows would be averaged that differ in one of `ALIKE`.
    """
    experiment = read(name)
    name = experiment.name
    family = family_of(experiment.environments[0]).name
    folder = HERE / family
    if not experiment.runs:
        _copy_pictures(report_folder(experiment, Portion(budget, seeds), runs), folder, name)
        return
    planned = plan(experiment, budget, seeds, runs)
    done = [(row, task) for row, task in planned if task.done]
    print(f"{name}: {len(done)} of {len(planned)} runs are finished")
    if not done:
        return
    shown = {row.variant for row, _ in done}
    variants = {name: own for name, own in experiment.variants.items() if name in shown}
    ran = {row.environment for row, _ in done}
    environments = tuple(name for name in experiment.environments if name in ran)
    seeds_of = budget_of(experiment, budget, seeds).seeds
    name = label_of(name, budget, seeds_of)
    finished = Finished(
        experiment=dataclasses.replace(
            experiment, name=name, variants=variants, environments=environments
        ),
        budget=budget,
        seeds=seeds_of,
        rows=tuple(done),
        command="",
        seconds=0.0,
        machine="",
    )
    summed = sheet(experiment)
    rows = [
        row | origin(task) | broken_limits(task) | guide_test(task)
        for row, (_, task) in zip(summed.rows(finished), finished.rows, strict=True)
    ]
    table = merged(folder / "summary.csv", rows)
    if not mixed and (differing := differences(row for row in table if row["experiment"] == name)):
        raise HandrailError(
            f"{name}: rows of one mean differ: {'; '.join(differing)}. Fix: repeat the older runs, "
            "or collect with --mixed if the difference is known not to matter"
        )
    if experiment.report in FROM_FOLDERS:
        with tempfile.TemporaryDirectory() as report:
            write_report(finished, Path(report))
            _copy_pictures(Path(report), folder, name)
    counted = [name for name in (*BROKEN, SHIELD_TEST) if any(name in row for row in table)]
    write(folder / "summary.csv", (*summed.columns, *ORIGIN, *counted), table)
    path = arrays_of(family, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{row.environment}/{row.variant}/{row.seed}": _curve(row, task) for row, task in done
    }
    before = dict(np.load(path)) if path.exists() else {}
    np.savez_compressed(path, **before | arrays)  # pyrefly: ignore[bad-argument-type]


def label_of(name: str, budget: str, seeds: Sequence[int]) -> str:
    """What the rows of an experiment are called: those of test seeds are kept apart."""
    return f"{name}-{budget}" if split_of(seeds) == "test" else name


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


def origin(task: Task) -> dict[str, str]:
    """Where a run comes from, by the names of `ORIGIN`."""
    computed = computed_by(task.folder)
    seeds = {str(own["seed"]) for own in knowledge_settings(task) if "seed" in own}
    machine = [str(computed[name]) for name in ("processor", "device") if name in computed]
    return {
        "split": split_of((task.settings.run.seed,)),
        "knowledge_seed": " ".join(sorted(seeds)),
        "commit": str(computed.get("commit", "")),
        "machine": ", ".join(machine),
    }


def broken_limits(task: Task) -> dict[str, int]:
    """How many episodes of a run ended, and how many cost more than its limit, by the names of
    `BROKEN`; nothing where it has none.
    """
    limit = getattr(task.settings.run, "limit", None)
    if limit is None:
        return {}
    ended = len(read_run(task.folder).episodes["cost"])
    return dict(zip(BROKEN, (ended, episodes_above(task.folder, limit, {})), strict=True))


def guide_test(task: Task) -> dict[str, float]:
    """What the shield test of a run's guide cost, per 1,000 steps; nothing where there is none."""
    for need in task.needs:
        if need.kind == "guide" and (need.folder / SUMMARY).exists():
            return {SHIELD_TEST: read_json(need.folder / SUMMARY)["best"]["shielded_cost"]}
    return {}


def knowledge_settings(task: Task) -> list[Mapping[str, Any]]:
    """Settings of the knowledge that a run brings along."""
    return [dataclasses.asdict(own) for own in task.settings.knowledge.values()]


def differences(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """In what rows of one environment and variant differ that are to be averaged, in words."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for row in rows:
        key = (str(row.get("environment") or row.get("task")), str(row["variant"]))
        values = found.setdefault(key, {name: set() for name in ALIKE})
        for name in ALIKE:
            values[name].add(str(row.get(name) or "not noted"))
    return [
        f"{variant} in {environment} has {name} {' and '.join(sorted(values))}"
        for (environment, variant), own in found.items()
        for name, values in own.items()
        if len(values) > 1
    ]


def merged(path: Path, rows: list[dict]) -> list[dict]:
    """The rows of a table, these in the places of their predecessors, new ones behind their
    experiment's.
    """
    table: dict[tuple[str, ...], dict] = {}
    if path.exists():
        with open(path, encoding="utf-8", newline="") as file:
            table = {_key(row): row for row in csv.DictReader(file)}
    table |= {_key(row): row for row in rows}
    experiments = list(dict.fromkeys(key[0] for key in table))
    return sorted(table.values(), key=lambda row: experiments.index(row["experiment"]))


def write(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _key(row: dict) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY if name in row)


def for_each(names: Sequence[str], do: Callable[[str, str, int | None], None], tool: str) -> int:
    """Does it with experiment, budget and number of seeds of every NAME[@BUDGET][:SEEDS]; the exit
    code.
    """
    for text in names:
        wanted, _, count = text.partition(":")
        name, _, budget = wanted.partition("@")
        try:
            do(name, budget or "paper", int(count) if count else None)
        except HandrailError as error:
            print(f"{tool}: {error}", file=sys.stderr)
            return 2
    return 0


def main() -> int:
    """Collects what the command line names; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="what `handrail reproduce --out` was given")
    parser.add_argument("names", nargs="+", metavar="NAME[@BUDGET][:SEEDS]")
    parser.add_argument("--mixed", action="store_true", help="average what differs all the same")
    given = parser.parse_args()
    return for_each(
        given.names, lambda *named: collect(given.runs, *named, mixed=given.mixed), "collect"
    )


if __name__ == "__main__":
    sys.exit(main())
