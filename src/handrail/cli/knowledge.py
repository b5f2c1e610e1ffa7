"""What `handrail knowledge list` and `show` print."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from handrail.core.artifact import load
from handrail.core.plain_text import plain
from handrail.knowledge.catalog import ALL, ShippedKnowledge, named
from handrail.methods.sagui.offline_batch import beside
from handrail.report.cards import text
from handrail.report.console import literal

FIRST = ("task", "verdict", "notes", "cost", "shield_test", "limit", "without", "made_by", "seed")
OF = "_of"
"""Ends the name of a card's entry that says what the one before it is a measure of."""


def list_shipped(name: str = ALL) -> None:
    """Prints a row for each file of a name, or of all. Raises `UnknownName`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("name", "kind", "task", "cost", "shield test", "kB"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for one in named(name):
        said = _said(one)
        against = f"limit {text(said['limit'])}" if "limit" in said else (
            f"{text(said['without'])} without"
        )  # fmt: skip
        test = f"{text(said['shield_test'])} ({against})"
        cells = one.name, one.kind, said["task"], text(said["cost"]), test, text(_kilobytes(one))
        table.add_row(*map(literal, map(plain, cells)))
    Console().print(table)


def show_shipped(name: str) -> None:
    """Prints what the cards of a name say: what they were measured to do, and how they were made.

    Raises `UnknownName`.
    """
    for one in named(name):
        _show(one)


def _show(one: ShippedKnowledge) -> None:
    console = Console()
    console.print(literal(f"{one.kind} {one.name}", "bold"))
    said = _said(one)
    calibration = said.pop("calibration")
    size = ("size", f"{text(_kilobytes(one))} kB")
    for rows in ([*_rows(said), size, ("file", str(one.file))], _rows(calibration)):
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
        table.add_column(style="dim", overflow="fold")
        table.add_column(overflow="fold")
        for key, value in rows:
            table.add_row(literal(plain(key)), literal(plain(value)))
        console.print(table)
        console.print()


def _rows(said: dict[str, Any]) -> list[tuple[str, str]]:
    """Entries with their units, in the order of `FIRST`; those of an entry one by one."""
    rows = []
    for key in sorted(said, key=lambda key: FIRST.index(key) if key in FIRST else len(FIRST)):
        value = said[key]
        if key.endswith(OF) or key == "name":
            continue
        label = key.replace("_", " ")
        if isinstance(value, dict):
            rows += [(f"{label}: {name}", text(inner)) for name, inner in value.items()]
        elif isinstance(value, list):
            rows += [(label, text(inner)) for inner in value]
        else:
            unit = f"  ({said[key + OF]})" if key + OF in said else ""
            rows.append((label, f"{text(value)}{unit}"))
    return rows


def _said(one: ShippedKnowledge) -> dict[str, Any]:
    return load(one.file, expect=one.kind)[0].training["shipped"]


def _kilobytes(one: ShippedKnowledge) -> int:
    """With the steps beside it."""
    files = filter(Path.exists, (one.file, beside(one.file)))
    return -(-sum(path.stat().st_size for path in files) // 1000)
