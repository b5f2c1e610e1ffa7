"""Guides and students in changed worlds: maps over mass and damping, tables of the rest."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.report.html import Block, Picture, Table
from handrail.report.html import Cell as TableCell
from handrail.report.style import RC, canvas
from handrail.transfer_check.robustness import EDGES, Robustness, axis_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST, ABOVE = "cost", "above"
READING = (
    "Every world differs from the one that was learnt in. Costs are undiscounted, per 1,000 steps, "
    "like the limit; the share above is that of the episodes that cost more than the limit. Mass "
    "and damping are factors; gain is one of the motors' force after they saturate; noise is its "
    "standard deviation as a share of a sensor's scale; delay is in steps; disturbance is the "
    "share of a random action, held for 30 steps, in the executed one."
)


def robustness_blocks(found: Mapping[str, Robustness], title: str) -> list[Block]:
    """A table of all, then a map of costs and one of shares above the limit for each."""
    table = summary(found, title)
    figure = partial(maps, found)
    first = next(iter(found.values()))
    caption = (
        f"{title}: mean cost per 1,000 steps (left), and share of the episodes above the limit of "
        f"{first.limit:g} (right), over the factors of mass and damping."
    )
    return [table, Picture(figure, caption, f"Costs over mass and damping: {', '.join(found)}")]


def summary(found: Mapping[str, Robustness], title: str) -> Table:
    """A row a world, of the grid its mean and its worst; two columns for each who drives."""
    first = next(iter(found.values()))
    rows: list[list[TableCell]] = [_row("nominal", found, NOTHING_CHANGED)]
    span = f"mass and damping from {EDGES[0]:g} to {EDGES[1]:g}"
    for name, of in ((f"{span}, mean", np.mean), (f"{span}, worst", np.max)):
        row: list[TableCell] = [name]
        for own in found.values():
            row += [float(of(own.grid(COST))), float(of(own.grid(ABOVE)))]
        rows.append(row)
    for world in first.worlds:
        if world != NOTHING_CHANGED and world.mass == world.damping == 1:
            rows.append(_row(world.words, found, world))
    columns = ["world", *(f"{name}: {what}" for name in found for what in ("cost", "share above"))]
    caption = f"{title}: cost per 1,000 steps, and share of episodes above {first.limit:g}."
    return Table(columns, rows, caption)


def _row(name: str, found: Mapping[str, Robustness], changes: Changes) -> list[TableCell]:
    outcomes = [own.outcome(changes) for own in found.values()]
    return [name, *(value for own in outcomes for value in (own.cost, own.above))]


def maps(found: Mapping[str, Robustness]) -> "Figure":
    """Heat maps: costs on a scale that all share, and shares from 0 to 1."""
    import matplotlib

    top = max(float(own.grid(COST).max()) for own in found.values())
    panels = ((COST, "cost per 1,000 steps", max(top, 1e-9)), (ABOVE, "share above the limit", 1.0))
    with matplotlib.rc_context({**RC, "axes.grid": False}):
        figure, axes = canvas(len(found), len(panels), width=3.4, height=3.0)
        for row, (name, own) in zip(axes, found.items(), strict=True):
            for ax, (quantity, label, most) in zip(row, panels, strict=True):
                _map(figure, ax, own.grid(quantity), axis_of(own.side), label, most)
                ax.set_title(name)
        return figure


def _map(
    figure: Any, ax: Any, values: np.ndarray, factors: Sequence[float], label: str, most: float
) -> None:
    image = ax.imshow(values, origin="lower", cmap="Blues", vmin=0, vmax=most)
    places = range(len(factors))
    names = [f"{factor:.3g}" for factor in factors]
    ax.set_xticks(places, labels=names, rotation=90)
    ax.set_yticks(places, labels=names)
    ax.set(xlabel="damping", ylabel="mass")
    bar = figure.colorbar(image, ax=ax, shrink=0.85)
    bar.set_label(label)
    bar.outline.set_visible(False)


def as_rows(found: Mapping[str, Robustness]) -> list[dict[str, Any]]:
    """The raw numbers, a row for each who drives in each world."""
    return [
        {"who": name, **dataclasses.asdict(world), **dataclasses.asdict(outcome)}
        for name, own in found.items()
        for world, outcome in zip(own.worlds, own.outcomes, strict=True)
    ]
