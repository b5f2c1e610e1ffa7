"""Students alone in episodes that chose nothing: rows of `confirmed.csv`, from `confirmed.py`."""

from collections.abc import Callable, Mapping

from results.navigation_labels import (
    DYNAMIC_TEST_SEEDS,
    DYNAMIC_WITH_VASE,
    POINTGOAL1,
    SEMI_DYNAMIC_TEST_SEEDS,
)
from results.navigation_tables import LIMIT_STEPS, family
from results.tables import markdown, spread, summary

POLICIES = {"last": "last", "best": "best safe"}


def confirmed(experiment: str, labels: Mapping[str, str]) -> str:
    """A row a method and policy, over its seeds."""
    table = summary(family(experiment), experiment, "confirmed")
    columns = [
        "", "policy", "return", "cost", "seeds within the limit, by episodes", "by steps",
    ]  # fmt: skip
    rows = []
    for variant, label in labels.items():
        for policy, called in POLICIES.items():
            of = [row for row in table if (row["variant"], row["policy"]) == (variant, policy)]
            if not of:
                rows.append([label, called, "–", "–", "none was", "–"])
                continue
            costs = [float(row["mean_cost"]) for row in of]
            by_steps = [
                LIMIT_STEPS * cost / float(row["mean_length"])
                for cost, row in zip(costs, of, strict=True)
            ]
            limit = float(of[0]["limit"])
            rows.append(
                [
                    label,
                    called,
                    spread([float(row["mean_return"]) for row in of]),
                    spread(costs),
                    *(f"{sum(c <= limit for c in cs)} of {len(of)}" for cs in (costs, by_steps)),
                ]
            )
    return markdown(columns, rows)


CONFIRMED_TABLES: dict[str, Callable[[], str]] = {
    "static-confirmed": lambda: confirmed("sagui-static-fresh", {"budget-switch": "budget-switch"}),
    "guarantee-confirmed": lambda: confirmed(
        "sagui-guarantee-fresh", {"budget-switch": "budget-switch"}
    ),
    "semi-dynamic-confirmed": lambda: confirmed(
        "sagui-semi-dynamic-fresh-short", SEMI_DYNAMIC_TEST_SEEDS
    ),
    "pointgoal1-confirmed": lambda: confirmed("pointgoal1-fresh", POINTGOAL1),
    "dynamic-with-vase-confirmed": lambda: confirmed("sagui-dynamic-fresh", DYNAMIC_WITH_VASE),
    "dynamic-confirmed": lambda: confirmed("sagui-dynamic-compiled-fresh", DYNAMIC_TEST_SEEDS),
}
