"""Where something was on the plane: densities seen from above, with hazards and extents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handrail.core.errors import HandrailError
from handrail.report.style import MUTED, RC, UNSAFE, canvas, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOOR = 0.03  # of the uniform density: what is rarer is drawn like it
CEILING = 30.0


@dataclass(frozen=True)
class Density:
    """Visits of square cells of `[-extent, extent]²`, `(n, n)`, row 0 the least y.

    `hazards` `(k, 2)` are drawn as discs of the radius `hazard_size`; lengths in m.
    """

    title: str
    visits: np.ndarray
    extent: float
    hazards: np.ndarray
    hazard_size: float


def densities(panels: Sequence[Density], *, columns: int | None = None) -> "Figure":
    """Maps on one logarithmic scale: 1 is the density of equal time everywhere."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.patches import Circle, Patch, Rectangle

    if not panels:
        raise HandrailError("densities needs at least one map")
    columns = columns or min(len(panels), 4)
    # From a blue that is not white: white is for what was never visited.
    blues = LinearSegmentedColormap.from_list(
        "blues", matplotlib.colormaps["Blues"](np.linspace(0.12, 1.0, 256))
    )
    with matplotlib.rc_context({**RC, "axes.grid": False}):
        figure, axes = canvas(-(-len(panels) // columns), columns, width=2.6, height=2.7)
        image = None
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for panel, ax in zip(panels, axes.flat, strict=False):
            share = panel.visits / max(panel.visits.sum(), 1) * panel.visits.size
            reach = panel.extent
            image = ax.imshow(
                np.where(share > 0, np.maximum(share, FLOOR), np.nan),
                norm=LogNorm(FLOOR, CEILING),
                cmap=blues,
                origin="lower",
                extent=(-reach, reach, -reach, reach),
                interpolation="nearest",
            )
            for place in np.asarray(panel.hazards):
                look = {"facecolor": "none", "edgecolor": UNSAFE, "zorder": 4}
                x, y = map(float, place)
                ax.add_patch(Circle((x, y), panel.hazard_size, hatch="////", lw=0, **look))
                ax.add_patch(Circle((x, y), panel.hazard_size, lw=1.8, **look))
            ax.add_patch(
                Rectangle(
                    (-reach, -reach), 2 * reach, 2 * reach, fill=False, edgecolor=MUTED,
                    lw=1.2, ls="--", zorder=3,
                )
            )  # fmt: skip
            ax.set(xlim=(-1.08 * reach, 1.08 * reach), ylim=(-1.08 * reach, 1.08 * reach))
            ax.set_title(panel.title)
            ax.set_xticks([-reach, 0, reach])
            ax.set_yticks([-reach, 0, reach])
        for ax in axes[-1]:
            ax.set_xlabel("x (m)")
        for row in axes:
            row[0].set_ylabel("y (m)")
        if image is not None:
            bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.015, aspect=28)
            ticks = [0.03, 0.1, 0.3, 1, 3, 10, 30]
            bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
            bar.set_label("time spent ÷ uniform (log scale)")
            bar.outline.set_visible(False)
        legend(
            figure,
            [
                Patch(facecolor="white", edgecolor=UNSAFE, hatch="////", lw=1.5, label="hazard"),
                Patch(facecolor="white", edgecolor=MUTED, ls="--", lw=1.2, label="extents"),
                Patch(facecolor="white", edgecolor=MUTED, lw=0.8, label="blank: never visited"),
            ],
        )
        return figure
