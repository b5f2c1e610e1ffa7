"""A report as one self-contained HTML file: no requests, light and dark, readable on a phone.

A page is a list of blocks: `Heading`, `Text`, `Missing`, `Table`, `Picture`, `Charts`, `Details`,
`Player`. Each has a template of its name under `templates/blocks`, in which all text is escaped.
Pictures and charts are embedded. A content security policy forbids the page to load anything else.
"""

import base64
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.plain_text import plain
from handrail.equations.interval import Interval, decimals
from handrail.report.charts import Plane, bokeh_script, chart_data
from handrail.report.figures import Panel
from handrail.report.player.block import PlayerBlock, player_block
from handrail.report.stats import bootstrap
from handrail.report.style import SIGNS, in_the_dark, looks, png
from handrail.train.rollout.recorded import RecordedEpisode

if TYPE_CHECKING:
    import jinja2

Cell = str | int | float | Interval | None


@dataclass(frozen=True)
class Heading:
    """A section's title; it appears in the list of contents."""

    template: ClassVar[str] = "heading.html"
    text: str

    def context(self, number: int) -> dict[str, Any]:
        """`number` is that of the section."""
        return {"text": plain(self.text), "number": number}


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    template: ClassVar[str] = "text.html"
    text: str

    def context(self, number: int) -> dict[str, Any]:
        """The text."""
        return {"text": self.text}


@dataclass(frozen=True)
class Missing:
    """What a page cannot show, and why: a sentence, and a line for each thing that is missing."""

    template: ClassVar[str] = "missing.html"
    lead: str
    texts: Sequence[str] = ()

    def context(self, number: int) -> dict[str, Any]:
        """The texts, without control characters."""
        return {"lead": plain(self.lead), "texts": [plain(text) for text in self.texts]}


@dataclass(frozen=True)
class Table:
    """Cells under columns. Numbers are aligned, intervals show their ends, None is a dash.

    Numbers have `digits` decimals, those from 1,000 on none.
    """

    template: ClassVar[str] = "table.html"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    digits: int = 2

    def context(self, number: int) -> dict[str, Any]:
        """The cells as text; `number` makes the caption's name unique."""
        for place, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise HandrailError(
                    f"table {self.caption!r}, row {place + 1}: {len(row)} cells for "
                    f"{len(self.columns)} columns"
                )
        return {
            "columns": [
                (plain(column), "" if self._is_text(place) else "number")
                for place, column in enumerate(self.columns)
            ],
            "rows": [[_cell(cell, self.digits) for cell in row] for row in self.rows],
            "caption": plain(self.caption),
            "id": f"t{number}",
        }

    def _is_text(self, place: int) -> bool:
        """Whether a column holds text, which begins at the left."""
        return not self.rows or any(isinstance(row[place], str) for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """A Matplotlib figure with a caption, drawn for light and for dark pages.

    `figure` makes it, a new one at each call; `alt` says in words what it shows.
    """

    template: ClassVar[str] = "picture.html"
    figure: Callable[[], Any]
    caption: str
    alt: str

    def context(self, number: int) -> dict[str, Any]:
        """Both drawings, encoded."""
        figure = self.figure()
        light, dark = png(figure), in_the_dark(figure)
        drawn = {"light": light, "dark": dark}
        encoded = {name: base64.b64encode(data).decode() for name, data in drawn.items()}
        return {**encoded, "caption": plain(self.caption), "alt": plain(self.alt)}


@dataclass(frozen=True)
class Charts:
    """Charts that answer to the reader: values where it points, methods shown or hidden, linear or
    logarithmic. `figure` makes the same for publications, if there is one.
    """

    template: ClassVar[str] = "charts.html"
    panels: Sequence[Panel | Plane]
    caption: str
    figure: Callable[[], Any] | None = None

    def context(self, number: int) -> dict[str, Any]:
        """The data of every chart, and the methods of the legend."""
        names = looks(name for panel in self.panels for name in panel.names)
        return {
            "charts": [chart_data(panel, names) for panel in self.panels],
            "methods": [
                {
                    "name": plain(name), "label": plain(look.label), "light": look.color,
                    "dark": look.dark, "sign": SIGNS[look.marker],
                }
                for name, look in names.items()
            ],
            "scales": any(panel.scales for panel in self.panels),
            "log": any(panel.log for panel in self.panels),
            "caption": plain(self.caption),
        }  # fmt: skip


@dataclass(frozen=True)
class Details:
    """Names with values, folded away below a summary."""

    template: ClassVar[str] = "details.html"
    summary: str
    entries: Mapping[str, Any]

    def context(self, number: int) -> dict[str, Any]:
        """Names and values without control characters."""
        entries = [(plain(name), plain(value)) for name, value in self.entries.items()]
        return {"summary": plain(self.summary), "entries": entries}


@dataclass(frozen=True)
class Player:
    """Recorded episodes, played step by step; see `handrail.report.player.block`."""

    template: ClassVar[str] = "player.html"
    episodes: Sequence[RecordedEpisode | Mapping[str, Any]]
    caption: str = ""

    def context(self, number: int) -> dict[str, Any]:
        """The player, whose style and script the page holds once."""
        return {"player": player_block(self.episodes, plain(self.caption))}


Block = Heading | Text | Missing | Table | Picture | Charts | Details | Player


def comparison(
    ours: Mapping[str, Mapping[str, Interval]],
    published: Mapping[str, Mapping[str, float]],
    *,
    labels: Mapping[str, str] | None = None,
    lengths: tuple[str, str] = ("", ""),
    caption: str = "",
    digits: int = 2,
) -> Table:
    """A row per method, and per task a column with our interval and one with the published value.

    Both are nested task → method → value; what is missing becomes a dash. `lengths` are the ends
    of the names of both columns, where ours and the published runs are not equally long.
    """
    labels = labels or {}
    values = [*ours.values(), *published.values()]
    methods = list(dict.fromkeys(name for by_method in values for name in by_method))
    tasks = list(dict.fromkeys([*ours, *published]))
    shown = {task for task in tasks if published.get(task)}
    columns = ["method"]
    rows: list[list[Cell]] = [[labels.get(name, name)] for name in methods]
    for task in tasks:
        columns += [task + lengths[0], "published" + lengths[1]] if task in shown else [task]
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
    shown, section = [], 0
    for number, block in enumerate(blocks):
        is_heading = isinstance(block, Heading)
        context = block.context(section if is_heading else number)
        section += is_heading
        shown.append((f"blocks/{block.template}", context))
    player = next((context["player"] for _, context in shown if "player" in context), None)
    return (
        _templates()
        .get_template("page.html")
        .render(
            title=plain(title),
            lead=plain(lead),
            facts={plain(name): plain(value) for name, value in (facts or {}).items()},
            headings=[plain(block.text) for block in blocks if isinstance(block, Heading)],
            blocks=shown,
            style=_trusted(_asset("page.css") + (player.css if player else "")),
            scripts=[_trusted(script) for script in _scripts(blocks, player)],
        )
    )


def _scripts(blocks: Sequence[Block], player: PlayerBlock | None) -> list[str]:
    """Our own scripts and Bokeh's."""
    scripts = []
    if any(isinstance(block, Charts) for block in blocks):
        scripts += [bokeh_script(), _asset("charts.js")]
    return [*scripts, player.script] if player else scripts


def _trusted(text: str) -> Any:
    """Our own and Bokeh's scripts and styles: with data for scripts, all that is not escaped."""
    from markupsafe import Markup

    return Markup(text)


@functools.cache
def _templates() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("handrail.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (resources.files("handrail.report") / "assets" / name).read_text(encoding="utf-8")


def _number(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return {math.inf: "never", -math.inf: "−∞"}.get(value, "–")
    return decimals(value, digits).replace("-", "−")


def _cell(cell: Cell, digits: int) -> dict[str, str]:
    """A cell's text, the ends of its interval, and its class."""
    if isinstance(cell, str):
        return {"text": plain(cell), "ends": "", "kind": ""}
    if cell is None:
        return {"text": "–", "ends": "", "kind": "number none"}
    if isinstance(cell, Interval):
        low, value, high = (_number(float(x), digits) for x in (cell.low, cell.value, cell.high))
        return {"text": value, "ends": f"{low} – {high}", "kind": "number"}
    text = f"{cell:,}" if isinstance(cell, int) else _number(float(cell), digits)
    return {"text": text, "ends": "", "kind": "number"}
