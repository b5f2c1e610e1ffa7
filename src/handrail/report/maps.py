"""Where an agent went, and how an encoder sees safety: heat maps and scatter plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.report.style import INK, MUTED, RC, SAFE, UNSAFE, canvas, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WALL = "#7B8794"
GOAL = "#009E73"


@dataclass(frozen=True)
class VisitMap:
    """Visits of the cells of one grid; arrays are `(height, width)`, row 0 is drawn on top.

    `visits` are counts ≥ 0, `lava` and `walls` masks; `goal` and `start` are `(x, y)`.
    """

    title: str
    visits: np.ndarray
    lava: np.ndarray
    goal: tuple[int, int] | None = None
    start: tuple[int, int] | None = None
    walls: np.ndarray | None = None


def _outline(axes: "Axes", mask: np.ndarray) -> None:
    """Draws the border of the masked cells, and hatches them."""
    from matplotlib.patches import Rectangle

    padded = np.pad(mask, 1)
    for y, x in np.argwhere(mask):
        axes.add_patch(
            Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="////", edgecolor=UNSAFE, lw=0)
        )
    segments = []
    for y, x in np.argwhere(mask):
        left, right, top, bottom = x - 0.5, x + 0.5, y - 0.5, y + 0.5
        segments += [] if padded[y + 1, x] else [((left, left), (top, bottom))]
        segments += [] if padded[y + 1, x + 2] else [((right, right), (top, bottom))]
        segments += [] if padded[y, x + 1] else [((left, right), (top, top))]
        segments += [] if padded[y + 2, x + 1] else [((left, right), (bottom, bottom))]
    for xs, ys in segments:
        axes.plot(xs, ys, color=UNSAFE, linewidth=2, solid_capstyle="projecting", zorder=4)


def heatmap(
    maps: Sequence[VisitMap], *, label: str = "visits (log scale)", columns: int | None = None
) -> "Figure":
    """Visits on a logarithmic scale shared by all maps; unvisited cells stay white."""
    import matplotlib
    from matplotlib.colors import LogNorm
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    for item in maps:
        shapes = {np.shape(item.visits), np.shape(item.lava)}
        if len(shapes) != 1 or len(np.shape(item.visits)) != 2:
            raise HandrailError(f"{item.title}: visits and lava have shapes {sorted(shapes)}")
    top = max((float(np.max(item.visits)) for item in maps), default=0)
    columns = columns or min(len(maps), 4)
    rows = -(-len(maps) // columns)
    with matplotlib.rc_context({**RC, "axes.grid": False}):
        figure, axes = canvas(rows, columns, width=2.5, height=2.75)
        image = None
        for ax in axes.flat[len(maps) :]:
            ax.set_axis_off()
        for item, ax in zip(maps, axes.flat, strict=False):
            counts = np.asarray(item.visits, dtype=np.float64)
            image = ax.imshow(
                np.where(counts > 0, counts, np.nan),
                norm=LogNorm(1, max(top, 10)),
                cmap="Blues",
                interpolation="nearest",
            )
            if item.walls is not None:
                overlay = np.where(item.walls, 1.0, np.nan)
                ax.imshow(overlay, cmap=matplotlib.colors.ListedColormap([WALL]), zorder=2)
            _outline(ax, np.asarray(item.lava, dtype=bool))
            edge = {"markeredgecolor": "white", "markeredgewidth": 1.2, "zorder": 6}
            if item.goal is not None:
                ax.plot(*item.goal, marker="*", markersize=15, color=GOAL, **edge)
            if item.start is not None:
                ax.plot(*item.start, marker="o", markersize=9, color=INK, **edge)
            ax.set_title(item.title)
            ax.set_xticks([])
            ax.set_yticks([])
            for spine in ax.spines.values():
                spine.set_visible(True)
        if image is not None:
            bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.015, aspect=28)
            bar.set_label(label)
            bar.outline.set_visible(False)
        point: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white"}
        legend(
            figure,
            [
                Patch(facecolor="white", edgecolor=UNSAFE, hatch="////", lw=1.5, label="lava"),
                Line2D([], [], marker="*", color=GOAL, markersize=13, label="goal", **point),
                Line2D([], [], marker="o", color=INK, markersize=8, label="start", **point),
                Patch(facecolor="white", edgecolor=MUTED, lw=0.8, label="never visited"),
            ],
        )
        return figure


@dataclass(frozen=True)
class EmbeddingMap:
    """Points in two dimensions, `points` `(n, 2)`, and whether each is unsafe, `(n,)`."""

    title: str
    points: np.ndarray
    unsafe: np.ndarray


def scatter(
    panels: Sequence[EmbeddingMap], *, axis: str = "principal component", share: bool = True
) -> "Figure":
    """Embeddings coloured by safety, one panel per environment; unsafe ones on top."""
    import matplotlib
    from matplotlib.lines import Line2D

    with matplotlib.rc_context(RC):
        figure, axes = canvas(1, len(panels), width=2.9, height=2.9, sharex=share, sharey=share)
        for panel, ax in zip(panels, axes[0], strict=True):
            points, unsafe = np.asarray(panel.points), np.asarray(panel.unsafe, dtype=bool)
            if points.shape != (len(unsafe), 2):
                raise HandrailError(
                    f"{panel.title}: points {points.shape}, expected ({len(unsafe)}, 2)"
                )
            for mask, color, marker, size in ((~unsafe, SAFE, "o", 10), (unsafe, UNSAFE, "^", 16)):
                ax.scatter(
                    *points[mask].T, s=size, c=color, marker=marker, alpha=0.55, linewidths=0
                )
            ax.set_title(panel.title)
            ax.set_xlabel(f"{axis} 1")
        axes[0, 0].set_ylabel(f"{axis} 2")
        point: dict[str, Any] = {"linestyle": "none", "markersize": 6}
        legend(
            figure,
            [
                Line2D([], [], color=SAFE, marker="o", label="safe", **point),
                Line2D([], [], color=UNSAFE, marker="^", label="unsafe", **point),
            ],
        )
        return figure


def principal_components(*groups: np.ndarray) -> list[np.ndarray]:
    """Projects `(n_i, dimensions)` groups onto the two main directions of all of them.

    The directions are those of the union, so that groups can be compared; the sign of each is
    fixed by making its largest loading positive. Returns arrays `(n_i, 2)`.
    """
    together = np.concatenate([np.asarray(group, dtype=np.float64) for group in groups])
    centre = together.mean(axis=0)
    directions = np.linalg.svd(together - centre, full_matrices=False)[2][:2]
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    return [(np.asarray(group) - centre) @ directions.T for group in groups]
