"""Tables and values on the terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from handrail.core.plain_text import plain
from handrail.equations.interval import Interval, decimals
from handrail.report.html import Cell, Table

if TYPE_CHECKING:
    from rich.text import Text

BORDER = 3  # of a column: a line and a space on each side


def show(tables: Iterable[Table]) -> None:
    """Prints tables; intervals as value [low, high], None as a dash.

    A table that is too wide for the terminal continues below itself, with its first column
    repeated, so that no number is cut in two. Names are shown as they are, square brackets too.
    """
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console()
    for table in tables:
        columns = [plain(column) for column in table.columns]
        rows = [[plain(_text(cell, table.digits)) for cell in row] for row in table.rows]
        texts = list(zip(columns, *rows, strict=True))
        least = [_longest_word(cells) for cells in texts]
        most = [max(map(len, cells)) for cells in texts]
        least[0] = max(least[0], min(most[0], console.width // 2))  # names are best read whole
        title = literal(table.caption, "table.title") if table.caption else None
        for part in _parts(least, console.width):
            shown = Shown(title=title, title_justify="left")
            spare = console.width - _together(least[number] for number in part)
            for number in part:
                more = max(0, min(most[number] - least[number], spare))
                spare -= more
                width = least[number] + more
                shown.add_column(literal(columns[number]), overflow="fold", width=width)
            for row in rows:
                shown.add_row(*(literal(row[number]) for number in part))
            console.print(shown)
            title = None


def show_values(found: Mapping[str, object]) -> None:
    """Prints one named value a line, rounded for reading. What has parts of its own is left out:
    it stands in `summary.json`.
    """
    for name, value in found.items():
        if not isinstance(value, Mapping):
            print(f"{plain(name):24} {plain(_value(value))}")


def _value(value: object) -> str:
    if value is None or (isinstance(value, Sequence) and not value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return decimals(value, 0 if value.is_integer() else 3)
    if isinstance(value, int):
        return f"{value:,}"
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def literal(text: object, style: str = "") -> "Text":
    """A text for rich that is shown as it is: no markup, no control characters, no emoji codes."""
    from rich.text import Text

    return Text(plain(text), style=style)


def _longest_word(texts: Iterable[str]) -> int:
    return max((len(word) for text in texts for word in text.split()), default=1)


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns that fit side by side, the first in every part; at least one beside it."""
    parts: list[list[int]] = []
    for number in range(1, len(widths)):
        wanted = _together(widths[n] for n in (*(parts[-1] if parts else [0]), number))
        if not parts or (wanted > room and len(parts[-1]) > 1):
            parts.append([0])
        parts[-1].append(number)
    return parts or [[0]]


def _together(widths: Iterable[int]) -> int:
    """What a table of columns of these widths takes."""
    return 1 + sum(width + BORDER for width in widths)


def _text(cell: Cell, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Interval):
        return cell.text(digits)
    return decimals(cell, digits) if isinstance(cell, float) else str(cell)
