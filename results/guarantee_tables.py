"""How often an episode, an epoch or a run of a student costs more than its limit, with bounds."""

from collections.abc import Callable, Mapping, Sequence

from handrail.equations.interval import at_most
from results.navigation_tables import Run, runs
from results.tables import markdown, summary


def bounded(above: int, of: int) -> str:
    """`0 of 500 (≤ 0.6 %)`: what was seen, and the upper bound of its probability with 95 %
    confidence, as if the trials were independent.
    """
    share = 100 * at_most(above, of)
    return f"{above:,} of {of:,} (≤ {share:.{2 if share < 1 else 1}f} %)"


def guarantee(shown: Sequence[tuple[str, str, str]]) -> str:
    """A row each of (experiment, variant, label)."""
    columns = [
        "", "seeds", "steps", "episodes above the limit", "epochs above it, by episodes",
        "by steps", "runs with an epoch above it",
    ]  # fmt: skip
    rows = []
    for experiment, variant, label in shown:
        of = runs(experiment, variant)
        counted = [row for row in summary("navigation", experiment) if row["variant"] == variant]
        episodes, above = (
            sum(int(row[name]) for row in counted) for name in ("episodes", "episodes_above_limit")
        )
        epochs = sum(int(run.said["epochs"]) for run in of)
        rows.append(
            [
                label,
                str(len(of)),
                f"{int(counted[0]['steps']):,}",
                bounded(above, episodes),
                *(bounded(_above(of, suffix), epochs) for suffix in ("", "_by_steps")),
                bounded(sum(_breaks(run.said) for run in of), len(of)),
            ]
        )
    return markdown(columns, rows)


def _above(of: Sequence[Run], suffix: str) -> int:
    return sum(int(run.said[f"epochs_above_limit{suffix}"]) for run in of)


def _breaks(said: Mapping[str, float]) -> bool:
    return bool(said["epochs_above_limit"] or said["epochs_above_limit_by_steps"])


STATIC = (
    ("sagui-static-fresh", "budget-switch", "**budget-switch**, 1.5 M steps"),
)  # fmt: skip

GUARANTEE_TABLES: dict[str, Callable[[], str]] = {
    "sagui-guarantee": lambda: guarantee(STATIC),
}
