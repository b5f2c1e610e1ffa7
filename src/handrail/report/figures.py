"""Learning curves, bars beside published values, and parameter sweeps.

Every function takes arrays and returns a Matplotlib figure; `style.png` turns it into bytes.
Bands and whiskers are intervals (95 % unless the caller says otherwise), dashed lines and
hollow diamonds are published values or limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.equations.interval import Interval
from handrail.report.stats import bootstrap
from handrail.report.style import INK, MUTED, RC, Look, canvas, legend, log_axis, looks, steps_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = Sequence[float] | np.ndarray
PUBLISHED = {"marker": "d", "markerfacecolor": "white", "markersize": 5.5, "markeredgewidth": 1.3}


@dataclass(frozen=True)
class Panel:
    """One set of axes with a curve per method.

    `curves` maps a method to its steps `(points,)` and an `Interval` of arrays `(points,)`;
    `published` maps a method to steps and values that the paper reports.
    """

    title: str
    ylabel: str
    curves: Mapping[str, tuple[np.ndarray, Interval]]
    published: Mapping[str, tuple[Numbers, Numbers]] = field(default_factory=dict)
    limit: float | None = None  # a cost limit, drawn across the panel
    limit_label: str = "limit"
    log: bool = False
    ylim: tuple[float | None, float | None] | None = None
    xlabel: str = "environment steps"
    offered: bool = False  # a page offers the logarithmic scale, though it begins with the other

    @property
    def names(self) -> list[str]:
        """The methods, those of published values included."""
        return [*self.curves, *self.published]

    @property
    def scales(self) -> bool:
        """Whether a page offers the other scale."""
        return self.log or self.offered


def _handles(names: Mapping[str, Look], kind: str, published: bool, interval: str) -> list:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shared: dict[str, Any] = {"linewidth": 1.8, "markersize": 5}
    if kind == "bar":
        handles: list = [Patch(facecolor=look.color, label=look.label) for look in names.values()]
    else:
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, label=look.label, **shared)
            for look in names.values()
        ]
    if published:
        line = "none" if kind == "bar" else "--"
        handles.append(
            Line2D([], [], color=INK, linestyle=line, linewidth=1.1, label="published", **PUBLISHED)
        )
    if interval:
        if kind == "bar":
            whisker = {"marker": "|", "markersize": 11, "markeredgewidth": 1.3}
            handles.append(Line2D([], [], color=INK, linestyle="none", label=interval, **whisker))
        else:
            handles.append(Patch(facecolor=MUTED, alpha=0.25, label=interval))
    return handles


def _draw_panel(axes: "Axes", panel: Panel, names: Mapping[str, Look]) -> None:

    for method, (steps, band) in panel.curves.items():
        look, steps = names[method], np.asarray(steps)
        axes.fill_between(steps, band.low, band.high, color=look.color, alpha=0.18, linewidth=0)
        axes.plot(
            steps,
            band.value,
            color=look.color,
            linewidth=1.8,
            marker=look.marker,
            markersize=4,
            markevery=(len(steps) // 8, max(1, len(steps) // 6)),
            solid_capstyle="round",
        )
    for method, (steps, values) in panel.published.items():
        look = names[method]
        axes.plot(steps, values, color=look.color, linestyle="--", linewidth=1.1, **PUBLISHED)
    if panel.limit is not None:
        axes.axhline(panel.limit, color=INK, linestyle="--", linewidth=1.1)
        axes.annotate(
            f"{panel.limit_label}\n{panel.limit:g}",
            (1, panel.limit),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
        )
    axes.set_title(panel.title)
    axes.set_ylabel(panel.ylabel)
    if panel.log:
        log_axis(axes)
    if panel.ylim is not None:
        axes.set_ylim(*panel.ylim)
    elif not panel.log and axes.dataLim.y0 >= 0:
        axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    steps_axis(axes)


def curves(
    rows: Sequence[Sequence[Panel]],
    *,
    interval: str = "95 % interval",
    width: float = 3.2,
    height: float = 2.5,
    share_rows: bool = True,
    legend_columns: int | None = None,
) -> "Figure":
    """Curves over environment steps: `rows` of panels, such as return above violations.

    An empty `interval` leaves the bands out of the legend, for curves of a single run.
    """
    import matplotlib

    if not rows or len({len(row) for row in rows}) != 1 or not rows[0]:
        raise HandrailError("curves needs rows of equally many panels, at least one")
    panels = [panel for row in rows for panel in row]
    names = looks(name for panel in panels for name in (*panel.curves, *panel.published))
    with matplotlib.rc_context(RC):
        figure, axes = canvas(
            len(rows),
            len(rows[0]),
            width=width,
            height=height,
            sharex="col",
            sharey="row" if share_rows else False,
        )
        for panel, ax in zip(panels, axes.flat, strict=True):
            _draw_panel(ax, panel, names)
        for row in axes:
            for ax in row[1:]:
                if share_rows:
                    ax.set_ylabel("")
        for ax in axes[-1]:
            ax.set_xlabel("environment steps")
        published = any(panel.published for panel in panels)
        handles = _handles(names, "line", published, interval)
        legend(figure, handles, columns=legend_columns or len(rows[0]) + 1)
        return figure


@dataclass(frozen=True)
class Bars:
    """One set of axes: for every task (group) and method a scalar `Interval`.

    `published` has the same nesting; methods may be missing from a task.
    """

    ylabel: str
    values: Mapping[str, Mapping[str, Interval]]  # task -> method -> interval
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    title: str = ""
    log: bool = False
    limit: float | None = None


def bars(
    panels: Sequence[Bars],
    *,
    interval: str = "95 % interval",
    width: float = 4.8,
    height: float = 2.8,
) -> "Figure":
    """Bars with intervals, one group per task, published values as hollow diamonds."""
    import matplotlib

    names = looks(
        name
        for panel in panels
        for by_method in (*panel.values.values(), *panel.published.values())
        for name in by_method
    )
    with matplotlib.rc_context(RC):
        figure, axes = canvas(1, len(panels), width=width, height=height)
        for panel, ax in zip(panels, axes[0], strict=True):
            slot = 0.84 / len(names)
            for group, (task, by_method) in enumerate(panel.values.items()):
                for number, (method, look) in enumerate(names.items()):
                    x = group + (number - (len(names) - 1) / 2) * slot
                    if method in by_method:
                        estimate = by_method[method]
                        ax.bar(x, estimate.value, slot * 0.9, color=look.color, alpha=0.85)
                        ax.vlines(x, estimate.low, estimate.high, color=INK, linewidth=1.2)
                    value = panel.published.get(task, {}).get(method)
                    if value is not None:
                        ax.plot(x, value, color=INK, linestyle="none", zorder=5, **PUBLISHED)
            if panel.limit is not None:
                ax.axhline(panel.limit, color=INK, linestyle="--", linewidth=1.1)
            ax.set_xticks(range(len(panel.values)), list(panel.values))
            ax.tick_params(axis="x", length=0)
            ax.grid(axis="x", visible=False)
            ax.set_ylabel(panel.ylabel)
            ax.set_title(panel.title)
            if panel.log:
                log_axis(ax, bottom=0)
        published = any(panel.published for panel in panels)
        legend(figure, _handles(names, "bar", published, interval))
        return figure


@dataclass(frozen=True)
class Sweep:
    """One set of axes over a parameter: for every line and value the scores of all runs `(runs,)`.

    Runs may be missing (NaN, or an empty array).
    """

    ylabel: str
    lines: Mapping[str, Sequence[np.ndarray]]
    limit: float | None = None  # a cost limit, drawn across the panel
    log: bool = False


def _draw_sweep(axes: "Axes", values: Numbers, panel: Sweep, names: Mapping[str, Look]) -> None:
    for name, scores in panel.lines.items():
        look = names[name]
        finite = (own[np.isfinite(own)] for own in scores)
        known = {float(x): own for x, own in zip(values, finite, strict=True) if own.size}
        bands = [bootstrap(own) for own in known.values()]
        x, middle = list(known), [float(band.value) for band in bands]
        low, high = [float(band.low) for band in bands], [float(band.high) for band in bands]
        axes.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)
        axes.plot(x, middle, color=look.color, marker=look.marker, markersize=5, linewidth=1.8)
        for place, own in known.items():
            axes.plot([place] * own.size, own, ".", color=look.color, alpha=0.5, markersize=4)
    if panel.limit is not None:
        axes.axhline(panel.limit, color=INK, linestyle="--", linewidth=1.1)
    axes.set_ylabel(panel.ylabel)
    if panel.log:
        log_axis(axes)
    elif axes.dataLim.y0 >= 0:
        axes.set_ylim(0, 1.08 * max(axes.dataLim.y1, 0.1))


def sweep(
    values: Numbers,
    panels: Sequence[Sweep],
    *,
    xlabel: str,
    chosen: float | None = None,
    chosen_label: str = "paper",
    log_x: bool = False,
    interval: str = "95 % interval",
    width: float = 3.6,
) -> "Figure":
    """Panels over a parameter: interquartile means with intervals, and every run as a point.

    `chosen` marks the value that the paper or the preset uses with a dashed line; an empty
    `interval` leaves the bands out of the legend.
    """
    import matplotlib

    names = looks(name for panel in panels for name in panel.lines)
    with matplotlib.rc_context(RC):
        figure, axes = canvas(1, len(panels), width=width, height=2.7)
        for ax, panel in zip(axes[0], panels, strict=True):
            _draw_sweep(ax, values, panel, names)
            if chosen is not None:
                ax.axvline(chosen, color=INK, linestyle="--", linewidth=1.1)
                ax.annotate(
                    f"{chosen_label}: {chosen:g}",
                    (chosen, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(3, -2),
                    textcoords="offset points",
                    va="top",
                    fontsize=8,
                )
            if log_x:
                ax.set_xscale("log")
                ax.minorticks_off()
            ax.set_xticks(values, [f"{value:g}" for value in values])
            ax.set_xlabel(xlabel)
        legend(figure, _handles(names, "line", False, interval))
        return figure
