"""Tables on the terminal."""

from collections.abc import Iterable

from handrail.report.html import Cell, Table
from handrail.report.stats import Interval, decimals


def show(tables: Iterable[Table]) -> None:
    """Prints tables; intervals as value [low, high], None as a dash."""
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console()
    for table in tables:
        shown = Shown(title=table.caption, title_justify="left")
        for number, column in enumerate(table.columns):
            shown.add_column(str(column), overflow="fold", no_wrap=number == 0)
        for row in table.rows:
            shown.add_row(*(_text(cell, table.digits) for cell in row))
        console.print(shown)


def _text(cell: Cell, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Interval):
        return cell.text(digits)
    return decimals(cell, digits) if isinstance(cell, float) else str(cell)
