"""Markdown tables, and the rows that this folder's summaries hold."""

import csv
from collections.abc import Sequence
from pathlib import Path

from handrail.experiments.schema import read

HERE = Path(__file__).parent
SHIELD_TEST = "guide_shielded_cost"
"""Column of runs with a guide: what its shield test cost, per 1,000 steps."""
THOUSAND = 1_000
BROKEN = ("episodes", "episodes_above_limit")
"""Columns of runs that have a limit: episodes that ended, and those that cost more than it."""


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, first column to the left, all others to the right."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, rule, *rows))


def summary(family: str, experiment: str, table: str = "summary") -> list[dict[str, str]]:
    """The rows of an experiment in a table of its family."""
    with open(HERE / family / f"{table}.csv", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["experiment"] == experiment]


def arrays_of(family: str, experiment: str) -> Path:
    """Where the tables of its runs lie: of training episodes in lava, else of epochs."""
    return HERE / family / ("episodes" if family == "lava" else "epochs") / f"{experiment}.npz"


def own_names(family: str, rows_of: str, of: str) -> dict[str, str]:
    """The variants of an experiment that have rows, in its order, each called what it is."""
    ran = {row["variant"] for row in summary(family, rows_of)}
    return {name: name for name in read(of).variants if name in ran}


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`2.87 to 3.00`: the lowest and the highest; without digits from a thousand on."""
    digits = 0 if max(map(abs, values)) >= THOUSAND else digits
    low, high = (shown(value, digits) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def shown(value: float, digits: int) -> str:
    """A number with a real minus sign, and none before a zero."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")
