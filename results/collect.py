"""Gathers finished experiments into results/lava: summary, training episodes, figures.

    python results/collect.py RUNS NAME[:SEEDS] …

`RUNS` is the folder given to `handrail reproduce --out` (its reports must have been written),
`NAME` an experiment at the paper's budget, `SEEDS` the number of seeds it was run with if not
the budget's own.
"""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np

from handrail.experiments.plan import plan
from handrail.experiments.schema import read
from handrail.report.runs import read_run

HERE = Path(__file__).parent / "lava"


def main(runs: Path, wanted: list[str]) -> None:
    """Collects the named experiments; what was collected before is replaced."""
    (HERE / "episodes").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    columns: list[str] = []
    for text in wanted:
        name, _, seeds = text.partition(":")
        report = runs / "reports" / f"{name}-paper"
        for number, picture in enumerate(sorted(report.glob("figure-*.png")), start=1):
            suffix = "" if number == 1 else f"-{number}"
            shutil.copyfile(picture, HERE / f"{name}{suffix}.png")
        experiment = read(name)
        if not experiment.runs:
            continue
        with open(report / "summary.csv", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = columns or list(reader.fieldnames or ())
            rows += reader
        arrays = {}
        for row, task in plan(experiment, "paper", int(seeds) if seeds else None, runs):
            episodes = read_run(task.folder).episodes
            key = f"{row.environment}/{row.variant}/{row.seed}"
            arrays[key] = np.stack(list(episodes.values()), axis=1).astype(np.float32)
        np.savez_compressed(HERE / "episodes" / f"{name}.npz", **arrays)
    with open(HERE / "summary.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} runs in {HERE / 'summary.csv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
