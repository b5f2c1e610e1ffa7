"""A report as one self-contained HTML file: no requests, light and dark, readable on a phone.

A page is a list of blocks: `Heading`, `Text`, `Table`, `Picture`, `Player`. All text is escaped;
pictures are embedded. A content security policy forbids the page to load anything else.
"""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.equations.interval import Interval, decimals
from handrail.report.player.block import PlayerBlock, player_block
from handrail.report.stats import bootstrap
from handrail.train.rollout.recorded import RecordedEpisode

Cell = str | int | float | Interval | None


@dataclass(frozen=True)
class Heading:
    """A section's title; it appears in the list of contents."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """Cells under columns. Numbers are aligned, intervals show their ends, None is a dash.

    Numbers have `digits` decimals, those from 1,000 on none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    digits: int = 2


@dataclass(frozen=True)
class Picture:
    """A PNG with a caption; `alt` says in words what it shows."""

    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True)
class Player:
    """Recorded episodes, played step by step; see `handrail.report.player.block`."""

    episodes: Sequence[RecordedEpisode | Mapping[str, Any]]
    caption: str = ""


Block = Heading | Text | Table | Picture | Player


def comparison(
    ours: Mapping[str, Mapping[str, Interval]],
    published: Mapping[str, Mapping[str, float]],
    *,
    labels: Mapping[str, str] | None = None,
    caption: str = "",
    digits: int = 2,
) -> Table:
    """A row per method, and per task a column with our interval and one with the published value.

    Both are nested task → method → value; what is missing becomes a dash.
    """
    labels = labels or {}
    values = [*ours.values(), *published.values()]
    methods = list(dict.fromkeys(name for by_method in values for name in by_method))
    tasks = list(dict.fromkeys([*ours, *published]))
    shown = {task for task in tasks if published.get(task)}
    columns = ["method"]
    rows: list[list[Cell]] = [[labels.get(name, name)] for name in methods]
    for task in tasks:
        columns += [task, "published"] if task in shown else [task]
        for row, name in zip(rows, methods, strict=True):
            row.append(ours.get(task, {}).get(name))
            if task in shown:
                row.append(published[task].get(name))
    return Table(columns, rows, caption, digits)


def over_seeds(values: np.ndarray) -> Cell:
    """A cell for one value a seed, NaN left out: an interval, the value itself if there is but
    one, None if there is none.
    """
    known = values[np.isfinite(values)]
    if known.size > 1:
        return bootstrap(known)
    if not known.size:
        return None
    only = float(known[0])
    return int(only) if np.issubdtype(values.dtype, np.integer) else only


def page(
    title: str,
    blocks: Sequence[Block],
    *,
    lead: str = "",
    facts: Mapping[str, object] | None = None,
) -> str:
    """The page. `facts` say what was run: command, machine, seeds, budget, versions."""
    facts = facts or {}
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    contents = "".join(
        f'<li><a href="#s{number}">{_text(text)}</a></li>' for number, text in enumerate(headings)
    )
    listed = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.items()
    )
    players = {n: _player(block) for n, block in enumerate(blocks) if isinstance(block, Player)}
    first = next(iter(players.values()), None)
    script = f"<script>{first.script}</script>" if first else ""
    css = _asset("page.css") + (first.css if first else "")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">",
            f"<title>{_text(title)}</title>\n<style>{css}</style>\n</head>\n<body>",
            f"<header><h1>{_text(title)}</h1>",
            f'<p class="lead">{_text(lead)}</p>' if lead else "",
            f'<dl class="facts">{listed}</dl>' if listed else "",
            f'<nav aria-label="contents"><ol>{contents}</ol></nav>' if len(headings) > 2 else "",
            "</header>\n<main>",
            *_blocks(blocks, players),
            f"</main>\n{script}\n</body>\n</html>\n",
        ]
    )


def _player(block: Player) -> PlayerBlock:
    return player_block(block.episodes, block.caption)


def _blocks(blocks: Sequence[Block], players: Mapping[int, PlayerBlock]) -> list[str]:
    parts, section = [], 0
    for number, block in enumerate(blocks):
        if isinstance(block, Heading):
            parts.append(f'<h2 id="s{section}">{_text(block.text)}</h2>')
            section += 1
        elif isinstance(block, Text):
            parts.append(f"<p>{_text(block.text)}</p>")
        elif isinstance(block, Table):
            parts.append(_table(block))
        elif isinstance(block, Picture):
            parts.append(_picture(block))
        else:
            parts.append(players[number].html)
    return parts


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _asset(name: str) -> str:
    return (resources.files("handrail.report") / "assets" / name).read_text(encoding="utf-8")


def _picture(block: Picture) -> str:
    if not block.png.startswith(b"\x89PNG"):
        raise HandrailError(f"the picture {block.caption!r} is not a PNG")
    data = base64.b64encode(block.png).decode()
    return (
        f'<figure class="picture"><div class="scroll" tabindex="0"><img alt="{_text(block.alt)}" '
        f'src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{_text(block.caption)}</figcaption></figure>"
    )


def _table(block: Table) -> str:
    for number, row in enumerate(block.rows):
        if len(row) != len(block.columns):
            raise HandrailError(
                f"table {block.caption!r}, row {number + 1}: {len(row)} cells for "
                f"{len(block.columns)} columns"
            )
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in block.columns)
    body = "".join(
        "<tr>" + "".join(_cell(cell, block.digits) for cell in row) + "</tr>" for row in block.rows
    )
    caption = f"<caption>{_text(block.caption)}</caption>" if block.caption else ""
    return (
        f'<div class="table"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _number(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return {math.inf: "never", -math.inf: "−∞"}.get(value, "–")
    return decimals(value, digits).replace("-", "−")


def _cell(cell: Cell, digits: int) -> str:
    if isinstance(cell, str):
        return f"<td>{_text(cell)}</td>"
    if cell is None:
        return '<td class="number none">–</td>'
    if isinstance(cell, Interval):
        low, value, high = (_number(float(x), digits) for x in (cell.low, cell.value, cell.high))
        return f'<td class="number"><b>{value}</b> <span class="ends">{low} – {high}</span></td>'
    if isinstance(cell, int):
        return f'<td class="number">{cell:,}</td>'
    return f'<td class="number">{_number(float(cell), digits)}</td>'
