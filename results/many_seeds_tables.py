"""Tables of `many_seeds.py`: the first 180,000 steps of many seeds of Static."""

from collections.abc import Callable, Mapping

import numpy as np

from handrail.report.stats import bootstrap, mean
from results.tables import HERE, markdown

LIMIT_STEPS = 1_000
SHORT = {
    "budget-switch": "budget-switch, guide that moves farthest",
    "budget-switch, best guard": "budget-switch, guide best in the shield test",
    "control-switch": "control-switch, guide that moves farthest",
    "control-switch, best guard": "control-switch, guide best in the shield test",
}


def short_runs(archive: str, labels: Mapping[str, str], limit: float = 5.0) -> str:
    """A row a variant of `many_seeds.py`: the first 180,000 steps of many seeds of Static."""
    data = np.load(HERE / "navigation" / archive)
    columns = [
        "", "seeds", "epochs above the limit, by episodes", "by steps",
        "runs with such an epoch, by episodes", "by steps", "total cost, mean [95 %]", "worst",
        "students within the limit alone", "return alone, IQM [95 %]",
    ]  # fmt: skip
    rows = []
    for variant, label in labels.items():
        cost, total, alone, earned = (
            data[f"{variant}/{name}"]
            for name in ("behaviour_cost", "total_cost", "target_cost", "target_return")
        )
        steps = 30_000  # of an epoch
        by_steps = np.diff(total, axis=1, prepend=0.0) * LIMIT_STEPS / steps
        counts = [values > limit for values in (cost, by_steps)]
        seeds = len(cost)
        rows.append(
            [
                label,
                str(seeds),
                *(f"{above.sum()} of {above.size}" for above in counts),
                *(f"{above.any(axis=1).sum()} of {seeds}" for above in counts),
                bootstrap(total[:, -1], mean).text(0),
                f"{total[:, -1].max():,.0f}",
                f"{np.sum(alone[:, -1] <= limit)} of {seeds}",
                bootstrap(earned[:, -1]).text(2),
            ]
        )
    return markdown(columns, rows)


def shield_tests() -> str:
    """The 128 guides of `many_seeds.py` by their shield test, and what became of their students."""
    data = np.load(HERE / "navigation" / "many-seeds.npz")
    tested, total = data["guides/shielded_cost"], data["budget-switch/total_cost"]
    by_steps = np.diff(total, axis=1, prepend=0.0) * LIMIT_STEPS / 30_000
    limit = 5.0
    columns = [
        "cost in the shield test, per 1,000 steps", "guides",
        "epochs above the limit, by episodes", "by steps", "total cost of the student, mean",
    ]  # fmt: skip
    rows = []
    for label, chosen in (
        (f"up to {limit:g}, the student's limit", tested <= limit),
        (f"more than {limit:g}", tested > limit),
    ):
        counts = (data["budget-switch/behaviour_cost"][chosen] > limit, by_steps[chosen] > limit)
        rows.append(
            [
                label,
                str(chosen.sum()),
                *(f"{above.sum()} of {above.size}" for above in counts),
                f"{total[chosen, -1].mean():,.0f}",
            ]
        )
    return markdown(columns, rows)


def kept_at_first(variant: str, *, by_steps: bool) -> str:
    """`61 of 72`: epochs within the limit in the first 180,000 steps of seeds 300 to 311."""
    data = np.load(HERE / "navigation" / "fresh-seeds.npz")
    values = data[f"{variant}/behaviour_cost"]
    if by_steps:
        total = data[f"{variant}/total_cost"]
        values = np.diff(total, axis=1, prepend=0.0) * LIMIT_STEPS / 30_000
    return f"{np.sum(values <= 5.0)} of {values.size}"


def _kept(variant: str, by_steps: bool) -> Callable[[], str]:
    return lambda: kept_at_first(f"{variant}, best guard", by_steps=by_steps)


MANY_SEEDS_TABLES: dict[str, Callable[[], str]] = {
    "many-seeds": lambda: short_runs("many-seeds.npz", {"budget-switch": "budget-switch"}),
    "fresh-seeds": lambda: short_runs("fresh-seeds.npz", SHORT),
    "shield-tests": shield_tests,
}
MANY_SEEDS_NUMBERS: dict[str, Callable[[], str]] = {
    "fresh-budget-kept": _kept("budget-switch", False),
    "fresh-budget-kept-by-steps": _kept("budget-switch", True),
    "fresh-control-kept": _kept("control-switch", False),
    "fresh-control-kept-by-steps": _kept("control-switch", True),
}
