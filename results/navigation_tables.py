"""Tables of tasks with a guide: epochs within the limit by both counts, cost, the student alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from handrail.core.splits import split_of
from handrail.methods.sagui.evaluations import STUDENT_COLUMNS
from handrail.methods.sagui.metrics import Curves, share_of, steps_to_return
from handrail.methods.sagui.metrics import summary as summed
from results.many_seeds_tables import MANY_SEEDS_NUMBERS, MANY_SEEDS_TABLES
from results.navigation_labels import (
    ABLATION,
    COMPILED,
    DYNAMIC,
    DYNAMIC_TEST_SEEDS,
    DYNAMIC_WITH_VASE,
    EARLY_GUIDE,
    LENGTH_OF_THE_PAPER,
    POINTGOAL1,
    SEMI_DYNAMIC,
    SEMI_DYNAMIC_TEST_SEEDS,
    STATIC,
    TEST_SEEDS,
    TEST_SEEDS_BRIEF,
    VELOCITY,
    WHAT_GUIDES_ARE_GIVEN,
    WHOLE,
)
from results.tables import SHIELD_TEST, arrays_of, markdown, own_names, shown, spread, summary

LIMIT_STEPS = 1_000


@dataclass(frozen=True)
class Run:
    """One student: what its epochs and its row in `summary.csv` say."""

    seed: int
    limit: float
    total_cost: float
    said: Mapping[str, float]
    curves: Curves
    guide_share: float
    """Of the steps, those that the guide took; mean over epochs."""
    shielded: float | None
    """What the shield test of its guide cost, per 1,000 steps, if that was noted."""


def family(experiment: str) -> str:
    """The folder of an experiment's rows."""
    return "velocity" if experiment.startswith("velocity") else "navigation"


@cache
def runs(experiment: str, variant: str) -> tuple[Run, ...]:
    """The runs of a variant, by seed."""
    folder = family(experiment)
    curves = np.load(arrays_of(folder, experiment))
    found = []
    for row in summary(folder, experiment):
        if row["variant"] != variant:
            continue
        table = curves[f"{row['task']}/{variant}/{row['seed']}"]
        columns = dict(zip(STUDENT_COLUMNS, table.T, strict=True))
        own = Curves.of(columns)
        limit = float(row["limit"])
        said = summed(own, limit, LIMIT_STEPS)
        assert said["epochs_above_limit"] == int(row["epochs_above_limit"]), row
        share = float(columns["guide_share"].mean())
        tested = float(row[SHIELD_TEST]) if row.get(SHIELD_TEST) else None
        cost = float(row["total_cost"])
        found.append(Run(int(row["seed"]), limit, cost, said, own, share, tested))
    if not found:
        raise KeyError(f"{experiment}: no runs of {variant}")
    return tuple(sorted(found, key=lambda run: run.seed))


def epochs_above(of: Sequence[Run], suffix: str) -> tuple[int, int]:
    """Epochs above the limit by one of the two counts, and all epochs."""
    above, epochs = (
        sum(int(run.said[name]) for run in of) for name in (f"epochs_above_limit{suffix}", "epochs")
    )
    return above, epochs


def kept(of: Sequence[Run], suffix: str) -> str:
    """`229 of 250`: epochs within the limit."""
    above, epochs = epochs_above(of, suffix)
    return f"{epochs - above} of {epochs}"


def safe_alone(of: Sequence[Run]) -> str:
    """How many students keep the limit without their guide at the end."""
    return f"{sum(run.said['target_cost'] <= run.limit for run in of)} of {len(of)}"


def reached(of: Sequence[Run], optimum: float) -> str:
    """`210,000 (4 of 5)`: the median of the steps until the student alone earns 95 % of an optimum,
    over the runs that ever do, and how many do."""
    steps = np.array(
        [
            steps_to_return(run.curves.steps, run.curves.target_return, share_of(optimum))
            for run in of
        ]
    )
    known = steps[np.isfinite(steps)]
    share = f"{len(known)} of {len(of)}"
    return f"{np.median(known):,.0f} ({share})" if known.size else f"– ({share})"


def comparison(
    experiment: str,
    labels: Mapping[str, str],
    further: Mapping[str, Callable[[Sequence[Run]], str]] = MappingProxyType({}),
) -> str:
    """A row a method over its seeds, with `further` columns of its runs. The optimum is the best
    final mean of a method here.
    """
    columns = [
        "", "seeds", "epochs within the limit, by episodes", "by steps", "total cost, mean",
        "worst", "student alone: return", "its cost", "within the limit",
        "steps to 95 % of the best, median", *further,
    ]  # fmt: skip
    optimum = max(
        float(np.mean([run.said["target_return"] for run in runs(experiment, variant)]))
        for variant in labels
    )
    rows = []
    for variant, label in labels.items():
        of = runs(experiment, variant)
        costs = [run.total_cost for run in of]
        rows.append(
            [
                label,
                f"{len(of)} {split_of(tuple(run.seed for run in of))}",
                kept(of, ""),
                kept(of, "_by_steps"),
                f"{np.mean(costs):,.0f}",
                f"{max(costs):,.0f}",
                spread([run.said["target_return"] for run in of]),
                spread([run.said["target_cost"] for run in of]),
                safe_alone(of),
                reached(of, optimum),
                *(column(of) for column in further.values()),
            ]
        )
    return markdown(columns, rows)


def _shield_tests(of: Sequence[Run]) -> str:
    tests = [run.shielded for run in of if run.shielded is not None]
    return spread(tests) if tests else "–"


GUIDED: Mapping[str, Callable[[Sequence[Run]], str]] = {
    "steps of the guide": lambda of: f"{100 * np.mean([run.guide_share for run in of]):.0f} %",
    "shield test of the guide": _shield_tests,
}
"""Columns about the guides of runs."""


def of_file(name: str, budget: str) -> str:
    """The rows of an experiment on test seeds, under the names of its variants."""
    experiment = f"{name}-{budget}"
    return comparison(experiment, own_names(family(experiment), experiment, name), GUIDED)


def speed(experiment: str, labels: Mapping[str, str]) -> str:
    """How soon students alone earn 95 % of the best final mean of a method here."""
    optimum = max(
        float(np.mean([run.said["target_return"] for run in runs(experiment, variant)]))
        for variant in labels
    )
    rows = [[label, reached(runs(experiment, name), optimum)] for name, label in labels.items()]
    return markdown(["", "steps to 95 % of the best, median (runs that get there)"], rows)


def brief(experiment: str, labels: Mapping[str, str]) -> str:
    """The columns of `comparison` that decide."""
    limit = runs(experiment, next(iter(labels)))[0].limit
    columns = [
        "", "epochs within the limit, by episodes", "by steps", "total cost, mean",
        "student alone: return", f"its cost (limit {limit:g})",
    ]  # fmt: skip
    rows = []
    for variant, label in labels.items():
        of = runs(experiment, variant)
        rows.append(
            [
                label,
                kept(of, ""),
                kept(of, "_by_steps"),
                f"{np.mean([run.total_cost for run in of]):,.0f}",
                spread([run.said["target_return"] for run in of]),
                spread([run.said["target_cost"] for run in of]),
            ]
        )
    return markdown(columns, rows)


def each_seed(rows: Mapping[str, tuple[str, str]]) -> str:
    """Epochs above the limit, then a value a seed; `rows` are of an experiment and a variant."""
    columns = [
        "", "epochs above, by episodes", "total cost, each seed", "return alone", "cost alone",
    ]  # fmt: skip
    made = []
    for label, (experiment, variant) in rows.items():
        of = runs(experiment, variant)
        above, epochs = epochs_above(of, "")
        costs = " · ".join(shown(run.total_cost, 0) for run in of)
        alone = [
            " · ".join(shown(run.said[name], 1) for run in of)
            for name in ("target_return", "target_cost")
        ]
        made.append([label, f"{above} of {epochs}", costs, *alone])
    return markdown(columns, made)


def every_run(experiment: str, labels: Mapping[str, str]) -> str:
    """A row a run."""
    columns = [
        "", "seed", "epochs above the limit, by episodes", "by steps", "worst epoch",
        "total cost", "return, behaviour", "return, alone", "cost, alone", "steps to 95 %",
    ]  # fmt: skip
    rows = []
    for variant, label in labels.items():
        for run in runs(experiment, variant):
            said = run.said
            numbers = [
                f"{said['worst_epoch_cost']:.1f}",
                f"{run.total_cost:,.0f}",
                *(f"{said[k]:.1f}" for k in ("behaviour_return", "target_return", "target_cost")),
                f"{said['steps_to_95']:,.0f}",
            ]
            above = [
                f"{said[f'epochs_above_limit{suffix}']} of {said['epochs']}"
                for suffix in ("", "_by_steps")
            ]
            row = [str(run.seed), *above, *numbers]
            minus = [cell.replace("-0.0", "0.0").replace("-", "−") for cell in row]
            rows.append([label, *minus])
    return markdown(columns, rows)


NAVIGATION_TABLES: dict[str, Callable[[], str]] = {
    "sagui-static": lambda: comparison("sagui-static", STATIC),
    "sagui-static-speed": lambda: speed("sagui-static", STATIC),
    "sagui-static-brief": lambda: brief("sagui-static", STATIC),
    "sagui-static-test-seeds": lambda: comparison("sagui-static-fresh-short", TEST_SEEDS),
    "sagui-static-test-seeds-brief": lambda: brief("sagui-static-fresh-short", TEST_SEEDS_BRIEF),
    "sagui-fresh-brief": lambda: brief("sagui-fresh", WHOLE),
    "sagui-ablation-brief": lambda: brief("sagui-ablation", ABLATION),
    "sagui-semi-dynamic-brief": lambda: brief("sagui-semi-dynamic", SEMI_DYNAMIC),
    "sagui-dynamic-brief": lambda: brief("sagui-dynamic", DYNAMIC),
    "sagui-dynamic-compiled-brief": lambda: brief("sagui-dynamic-compiled", COMPILED),
    "sagui-static-runs": lambda: every_run("sagui-static", STATIC),
    "sagui-fresh": lambda: comparison("sagui-fresh", WHOLE),
    "sagui-fresh-runs": lambda: every_run("sagui-fresh", WHOLE),
    "sagui-ablation": lambda: comparison("sagui-ablation", ABLATION),
    "sagui-semi-dynamic": lambda: comparison("sagui-semi-dynamic", SEMI_DYNAMIC),
    "sagui-semi-dynamic-runs": lambda: every_run("sagui-semi-dynamic", SEMI_DYNAMIC),
    "sagui-dynamic": lambda: comparison("sagui-dynamic", DYNAMIC),
    "sagui-dynamic-compiled": lambda: comparison("sagui-dynamic-compiled", COMPILED),
    "sagui-dynamic-test-seeds": lambda: comparison(
        "sagui-dynamic-compiled-fresh", DYNAMIC_TEST_SEEDS
    ),
    "dynamic-with-vase": lambda: comparison("sagui-dynamic-fresh", DYNAMIC_WITH_VASE, GUIDED),
    "what-guides-are-given": lambda: each_seed(WHAT_GUIDES_ARE_GIVEN),
    "semi-dynamic-early-guide": lambda: each_seed(EARLY_GUIDE),
    "semi-dynamic-paper": lambda: each_seed(LENGTH_OF_THE_PAPER),
    "semi-dynamic-test-seeds": lambda: comparison(
        "sagui-semi-dynamic-fresh-short", SEMI_DYNAMIC_TEST_SEEDS, GUIDED
    ),
    "pointgoal1": lambda: comparison("pointgoal1-fresh", POINTGOAL1, GUIDED),
    "bonus": lambda: of_file("sagui-bonus", "fresh-short"),
    "takeovers": lambda: of_file("sagui-takeover", "fresh-short"),
    "velocity": lambda: comparison("velocity-fresh", VELOCITY),
    **MANY_SEEDS_TABLES,
}


def _on_test_seeds(variant: str) -> tuple[Run, ...]:
    return runs("sagui-static-fresh-short", variant)


def _kept_on_test_seeds(
    variant: str, experiment: str = "sagui-static-fresh-short"
) -> Callable[[], str]:
    return lambda: kept(runs(experiment, variant), "_by_steps")


def _cost_on_test_seeds(
    variant: str, experiment: str = "sagui-static-fresh-short"
) -> Callable[[], str]:
    return lambda: f"{np.mean([run.total_cost for run in runs(experiment, variant)]):,.0f}"


NAVIGATION_NUMBERS: dict[str, Callable[[], str]] = {
    **MANY_SEEDS_NUMBERS,
    "test-seeds": lambda: str(len(_on_test_seeds("budget-switch"))),
    "test-budget-kept": _kept_on_test_seeds("budget-switch"),
    "test-budget-cost": _cost_on_test_seeds("budget-switch"),
    "test-control-kept": _kept_on_test_seeds("control-switch"),
    "test-control-cost": _cost_on_test_seeds("control-switch"),
    "test-scratch-cost": _cost_on_test_seeds("scratch"),
    "test-tuned-kept": _kept_on_test_seeds("SAC-Lagrangian, tuned"),
    "test-tuned-cost": _cost_on_test_seeds("SAC-Lagrangian, tuned"),
    "velocity-sum-kept": _kept_on_test_seeds("sum-switch", "velocity-fresh"),
    "velocity-budget-kept": _kept_on_test_seeds("budget-switch", "velocity-fresh"),
    "pointgoal1-sum-kept": _kept_on_test_seeds("sum-switch", "pointgoal1-fresh"),
    "pointgoal1-sum-cost": _cost_on_test_seeds("sum-switch", "pointgoal1-fresh"),
    "pointgoal1-tuned-cost": _cost_on_test_seeds("SAC-Lagrangian, tuned", "pointgoal1-fresh"),
    "dynamic-budget-cost": _cost_on_test_seeds(
        "budget-switch, recommended", "sagui-dynamic-compiled-fresh"
    ),
    "dynamic-tuned-cost": _cost_on_test_seeds(
        "SAC-Lagrangian, tuned", "sagui-dynamic-compiled-fresh"
    ),
    "dynamic-sum-cost": _cost_on_test_seeds(
        "sum-switch, recommended", "sagui-dynamic-compiled-fresh"
    ),
}
