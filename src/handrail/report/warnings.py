"""Which triggers were right, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.report.html import Cell, Table


def warnings_table(rows: Sequence[Mapping[str, Any]], *, within: int) -> Table:
    """A row a trigger, of rows as of `check_triggers`."""
    columns = ["trigger", "fired", "precision", "recall", "incidents foreseen"]
    names = ("fired", "precision", "recall", "foreseen")
    cells: list[list[Cell]] = [
        [row["trigger"], *(_cell(row[name]) for name in names)] for row in rows
    ]
    caption = (
        f"Share of steps in which it fires; of those, with a cost within {within} steps; of the "
        "steps that harm follows, those in which it fires; of the incidents (a cost after "
        f"{within} steps without), those it warned of. Nobody steps in."
    )
    return Table(columns, cells, caption, digits=3)


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
