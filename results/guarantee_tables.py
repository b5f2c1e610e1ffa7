"""How often an episode, an epoch or a run of a student costs more than its limit, with bounds."""

from collections.abc import Callable, Mapping, Sequence

from handrail.equations.interval import at_most
from results.navigation_labels import (
    DYNAMIC_TEST_SEEDS,
    DYNAMIC_WITH_VASE,
    POINTGOAL1,
    SEMI_DYNAMIC_TEST_SEEDS,
    VELOCITY,
)
from results.navigation_tables import epochs_above, family, kept, runs, safe_alone
from results.tables import BROKEN, markdown, spread, summary


def bounded(above: int, of: int) -> str:
    """`0 of 500 (≤ 0.6 %)`: what was seen, and the upper bound of its probability with 95 %
    confidence, as if the trials were independent.
    """
    share = 100 * at_most(above, of)
    return f"{above:,} of {of:,} (≤ {f'{share:.2g}' if share < 99.5 else 100} %)"


def guarantee(shown: Sequence[tuple[str, str, str]]) -> str:
    """A row each of (experiment, variant, label)."""
    columns = [
        "", "seeds", "steps", "episodes above the limit", "epochs above it, by episodes",
        "by steps", "runs with an epoch above it",
    ]  # fmt: skip
    rows = []
    for experiment, variant, label in shown:
        of = runs(experiment, variant)
        counts = ("", "_by_steps")
        broken = sum(any(epochs_above([run], count)[0] for count in counts) for run in of)
        rows.append(
            [
                label,
                str(len(of)),
                f"{of[0].curves.steps[-1]:,.0f}",
                bounded(*_episodes_above(experiment, variant)),
                *(bounded(*epochs_above(of, count)) for count in counts),
                bounded(broken, len(of)),
            ]
        )
    return markdown(columns, rows)


def _episodes_above(experiment: str, variant: str) -> tuple[int, int]:
    """Episodes that cost more than the limit in all runs of a variant, and all that ended."""
    counted = [row for row in summary(family(experiment), experiment) if row["variant"] == variant]
    ended, above = (sum(int(row[name]) for row in counted) for name in BROKEN)
    return above, ended


LONG = ("sagui-static-fresh", "budget-switch")
STATIC = (
    ("sagui-guarantee-fresh", "budget-switch", "**budget-switch**, the first epochs"),
    (*LONG, "**budget-switch**, all of them"),
)


def _rows(experiment: str, labels: Mapping[str, str]) -> Callable[[], str]:
    return lambda: guarantee([(experiment, *named) for named in labels.items()])


def _at_the_end(name: str, digits: int) -> Callable[[], str]:
    return lambda: spread([run.said[name] for run in runs(*LONG)], digits)


GUARANTEE_NUMBERS: dict[str, Callable[[], str]] = {
    "long-episodes": lambda: "{:,} of {:,}".format(*_episodes_above(*LONG)),
    "long-kept": lambda: kept(runs(*LONG), "_by_steps"),
    "long-returns": _at_the_end("target_return", 1),
    "long-costs": _at_the_end("target_cost", 1),
    "long-safe-alone": lambda: safe_alone(runs(*LONG)),
}

GUARANTEE_TABLES: dict[str, Callable[[], str]] = {
    "sagui-guarantee": lambda: guarantee(STATIC),
    "sagui-dynamic-guarantee": _rows("sagui-dynamic-compiled-fresh", DYNAMIC_TEST_SEEDS),
    "dynamic-with-vase-guarantee": _rows("sagui-dynamic-fresh", DYNAMIC_WITH_VASE),
    "semi-dynamic-guarantee": _rows("sagui-semi-dynamic-fresh-short", SEMI_DYNAMIC_TEST_SEEDS),
    "pointgoal1-guarantee": _rows("pointgoal1-fresh", POINTGOAL1),
    "velocity-guarantee": _rows("velocity-fresh", VELOCITY),
}
