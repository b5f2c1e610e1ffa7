"""Students alone, once more: the last policy and the best safe one, in episodes that chose nothing.

    python -m results.confirmed RUNS NAME[@BUDGET][:SEEDS] … [--episodes 200]

The best safe policy of a run is chosen by the tests after its epochs (`best.safetensors`). What a
choice by a test promises has to be confirmed in others: here in whole episodes from another seed.
Rows go to `results/FAMILY/confirmed.csv`, one a run and policy; those that are there stay, unless
they are of the same run. `RUNS` is the folder given to `handrail reproduce --out`.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handrail.cli.evaluate import evaluate
from handrail.core.records import BEST
from handrail.experiments.launch import POLICIES
from handrail.experiments.plan import plan
from handrail.experiments.schema import budget_of, read
from handrail.tasks.registry import family_of
from results.collect import for_each, label_of, merged, origin, write
from results.tables import HERE

SEED = 20_000
"""Of the episodes: training's tests have other streams."""
COLUMNS = (
    "experiment", "task", "variant", "seed", "policy", "episodes", "mean_return", "mean_cost",
    "mean_length", "limit", "within_limit", "split", "commit", "machine",
)  # fmt: skip
SHOWN = ("task", "variant", "seed", "policy", "mean_return", "mean_cost")


def confirmed(
    runs: Path, name: str, budget: str, seeds: int | None, episodes: int
) -> Iterator[dict[str, Any]]:
    """A row for each policy of each finished run."""
    experiment = read(name)
    label = label_of(experiment.name, budget, budget_of(experiment, budget, seeds).seeds)
    for row, task in plan(experiment, budget, seeds, runs):
        if not task.done:
            continue
        about = origin(task)
        for policy in POLICIES:
            if policy == "best" and not (task.folder / BEST).exists():
                continue  # no test found it within the limit
            found = evaluate(task.folder, episodes=episodes, seed=SEED, which=policy)
            yield {
                "experiment": label,
                "task": row.environment,
                "variant": row.variant,
                "seed": row.seed,
                "policy": policy,
                "episodes": episodes,
                **{k: found[k] for k in COLUMNS if k in found},
                **{k: about[k] for k in COLUMNS if k in about},
            }


def main() -> int:
    """Tests what the command line names; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="what `handrail reproduce --out` was given")
    parser.add_argument("names", nargs="+", metavar="NAME[@BUDGET][:SEEDS]")
    parser.add_argument("--episodes", type=int, default=200)
    given = parser.parse_args()

    def confirm(name: str, budget: str, seeds: int | None) -> None:
        path = HERE / family_of(read(name).environments[0]).name / "confirmed.csv"
        for row in confirmed(given.runs, name, budget, seeds, given.episodes):
            print(*(row[column] for column in SHOWN))
            write(path, COLUMNS, merged(path, [row]))

    return for_each(given.names, confirm, "confirmed")


if __name__ == "__main__":
    sys.exit(main())
