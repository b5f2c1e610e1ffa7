"""Charts of a page, drawn by Bokeh's JavaScript from data that lies in the page.

A `Panel` of curves, the same as in figures for publications, or a `Plane` of runs. What answers to
the reader (values where it points, the legend, the scale, light and dark) is `assets/charts.js`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handrail.core.plain_text import plain
from handrail.equations.interval import Interval
from handrail.report.figures import Panel
from handrail.report.script_data import script_data
from handrail.report.style import Look, short

HEIGHT = 260  # pixels of a chart
MARKERS = {
    "o": "circle", "s": "square", "v": "inverted_triangle", "^": "triangle", "D": "diamond",
    "P": "plus", "X": "x", "<": "triangle_pin", "p": "star", "h": "hex",
}  # fmt: skip
DECADES = [0.0, *(10.0**power for power in range(10))]


@dataclass(frozen=True)
class Plane:
    """Runs between safety and return: a point a run, and the mean of a method with its intervals.

    `runs` maps a method to `(runs, 2)`, cost and return; `front` are the methods that no other
    surpasses in both, by rising cost.
    """

    title: str
    xlabel: str
    ylabel: str
    runs: Mapping[str, np.ndarray]
    means: Mapping[str, tuple[Interval, Interval]]
    front: Sequence[str] = ()
    limit: float | None = None
    log: bool = False

    @property
    def names(self) -> list[str]:
        """The methods."""
        return list(self.runs)

    @property
    def scales(self) -> bool:
        """Whether a page offers the other scale."""
        return True


@functools.cache
def bokeh_script() -> str:
    """Bokeh's own JavaScript, as its package has it, safe inside a script element."""
    from bokeh.resources import Resources

    bundled = Resources(mode="inline", components=["bokeh"], log_level="error")
    return "\n".join(bundled.js_raw).replace("</", "<\\/")


def chart_data(panel: Panel | Plane, names: Mapping[str, Look]) -> dict[str, Any]:
    """What the page's template and script need of a chart."""
    drawn, item = _curves(panel, names) if isinstance(panel, Panel) else _plane(panel, names)
    methods = [name for name in names if name in panel.names]
    data = {
        "item": item,
        "methods": [plain(name) for name in methods],
        "labels": [plain(names[name].label) for name in methods],
        "light": [names[name].color for name in methods],
        "dark": [names[name].dark for name in methods],
        "limit": panel.limit,
        "log": panel.log,
        **drawn,
    }
    unit = panel.ylabel if isinstance(panel, Panel) else f"{panel.ylabel} over {panel.xlabel}"
    return {
        "title": plain(panel.title),
        "unit": plain(unit),
        "share": plain(panel.ylabel),
        "alt": f"{plain(panel.title)}: {plain(unit)} of {', '.join(map(plain, methods))}",
        "data": script_data(data),
    }


def _curves(panel: Panel, names: Mapping[str, Look]) -> tuple[dict[str, Any], Any]:
    """A curve a method with its band, markers along it, published values, and the limit."""
    from bokeh.models import ColumnDataSource, Span

    longest = max((float(np.max(x)) for x, _ in panel.curves.values() if len(x)), default=1.0)
    for x, _ in panel.published.values():
        longest = max(longest, *map(float, x))
    figure = _figure(longest, panel.xlabel, values_on="y")
    for number, name in enumerate(name for name in names if name in panel.names):
        look = names[name]
        if name in panel.curves:
            x, band = panel.curves[name]
            source = ColumnDataSource(
                {
                    "x": np.asarray(x, np.float64),
                    **{
                        column: _finite(values).astype(np.float32)
                        for column, values in zip(
                            ("y", "low", "high"), (band.value, band.low, band.high), strict=True
                        )
                    },
                }
            )
            figure.varea(
                "x", "low", "high", source=source, name=f"band:{number}",
                fill_color=look.color, fill_alpha=0.18,
            )  # fmt: skip
            figure.line(
                "x", "y", source=source, name=f"line:{number}",
                line_color=look.color, line_width=2, line_join="round",
            )  # fmt: skip
            every = max(1, len(x) // 6)
            few = slice(len(x) // 8, None, every) if len(x) > 2 else slice(None)
            few_points: dict[str, Any] = {
                "x": np.asarray(x, np.float64)[few],
                "y": _finite(band.value)[few],
            }
            _dots(figure, ColumnDataSource(few_points), f"dots:{number}", look, 7)
        if name in panel.published:
            points = [np.asarray(one, np.float64) for one in panel.published[name]]
            pairs: dict[str, Any] = dict(zip("xy", points, strict=True))
            dots = ColumnDataSource(pairs)
            figure.scatter(
                "x", "y", source=dots, name=f"published:{number}", marker="diamond", size=11,
                fill_color=None, line_color=look.color, line_width=2,
            )  # fmt: skip
    if panel.limit is not None:
        figure.add_layout(_limit(Span(dimension="width", location=panel.limit, name="limit")))
    low, high = panel.ylim or (None, None)
    label = panel.limit_label if panel.limit is not None else ""
    shown = {"kind": "curves", "axis": "y", "floor": low, "ceiling": high, "limitLabel": label}
    return {**shown, "xlabel": panel.xlabel, "scales": panel.scales}, _item(figure)


def _plane(panel: Plane, names: Mapping[str, Look]) -> tuple[dict[str, Any], Any]:
    """A point a run, a larger one with whiskers for each method's mean, and the front."""
    from bokeh.models import ColumnDataSource, Span

    figure = _figure(1.0, panel.xlabel, values_on="x")
    front = [panel.means[name] for name in panel.front]
    steps: dict[str, Any] = {
        "x": np.array([float(cost.value) for cost, _ in front]),
        "y": np.array([float(value.value) for _, value in front]),
    }
    figure.step(
        "x", "y", source=ColumnDataSource(steps), name="front", mode="after",
        line_dash="dashed", line_width=1.2,
    )  # fmt: skip
    for number, name in enumerate(name for name in names if name in panel.runs):
        look, points = names[name], np.asarray(panel.runs[name], np.float64)
        source = ColumnDataSource({"x": points[:, 0], "y": points[:, 1]})
        _dots(figure, source, f"dots:{number}", look, 6, alpha=0.5)
        if name in panel.means:
            cost, value = panel.means[name]
            at = {
                "x": [cost.value], "y": [value.value], "left": [cost.low], "right": [cost.high],
                "low": [value.low], "high": [value.high],
            }  # fmt: skip
            columns: dict[str, Any] = {key: np.asarray(one, np.float64) for key, one in at.items()}
            mean = ColumnDataSource(columns)
            for line, (x0, y0, x1, y1) in {
                "across": ("left", "y", "right", "y"), "along": ("x", "low", "x", "high"),
            }.items():  # fmt: skip
                figure.segment(
                    x0, y0, x1, y1, source=mean, name=f"{line}:{number}",
                    line_color=look.color, line_width=1.5,
                )  # fmt: skip
            _dots(figure, mean, f"mean:{number}", look, 12)
    if panel.limit is not None:
        figure.add_layout(_limit(Span(dimension="height", location=panel.limit, name="limit")))
    shown = {"kind": "plane", "axis": "x", "floor": None, "ceiling": None, "scales": True}
    return {**shown, "limitLabel": "limit", "xlabel": panel.xlabel}, _item(figure)


def _figure(longest: float, xlabel: str, *, values_on: str) -> Any:
    """An empty chart whose axis of values, x or y, can be logarithmic."""
    from bokeh.models import FixedTicker, Range1d
    from bokeh.plotting import figure

    made = figure(
        height=HEIGHT, sizing_mode="stretch_width", toolbar_location=None, tools="",
        x_range=Range1d(start=0, end=longest * 1.01), y_range=Range1d(start=0, end=1),
        min_border_right=14,
    )  # fmt: skip
    made.xaxis.axis_label = xlabel
    made.axis.minor_tick_line_color = None
    made.axis.axis_label_text_font_style = "normal"
    made.outline_line_color = None
    made.background_fill_color = made.border_fill_color = None  # the page's, light or dark
    for fonts in ("axis_label_text_font_size", "major_label_text_font_size"):
        setattr(made.axis, fonts, "12px")
    values = made.yaxis[0] if values_on == "y" else made.xaxis[0]
    values.name = "values"
    places = [float(np.log10(1 + value)) for value in DECADES]
    values.tags = [FixedTicker(ticks=places)]  # what the script puts in place of linear ticks
    values.major_label_overrides = dict(zip(places, map(short, DECADES), strict=True))
    other = made.xaxis[0] if values_on == "y" else made.yaxis[0]
    if values_on == "y":
        ticks = _ticks(longest)
        other.ticker = FixedTicker(ticks=ticks)
        other.major_label_overrides = {tick: short(tick) for tick in ticks}
    return made


def _ticks(longest: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    return [float(tick) for tick in locator.tick_values(0, longest)]


def _dots(figure: Any, source: Any, name: str, look: Look, size: int, alpha: float = 1.0) -> None:
    figure.scatter(
        "x", "y", source=source, name=name, marker=MARKERS[look.marker], size=size,
        fill_color=look.color, line_color=look.color, alpha=alpha,
        line_width=3 if look.marker == "X" else 1,  # the one marker that has no inside
    )  # fmt: skip


def _limit(span: Any) -> Any:
    span.line_dash, span.line_width = "dashed", 1.2
    return span


def _finite(values: Any) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _item(figure: Any) -> Any:
    from bokeh.embed import json_item

    return json_item(figure)
