"""The report of experiments whose variants are named by the values of one setting.

How the guide leaves a hazard, what students cost while they learn, and what they can do in the end,
over that setting.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handrail.errors import HandrailError
from handrail.experiments.schema import Experiment
from handrail.report.finished import Finished
from handrail.report.html import Block, Picture
from handrail.report.navigation_figures import kept_guides, limit_of, navigation, short_name
from handrail.report.stats import bootstrap
from handrail.report.style import INK, MUTED, RC, canvas, legend, log_axis, looks, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Response:
    """One set of axes: by task, what came out at every value, `(seeds,)` each."""

    ylabel: str
    scores: Mapping[str, Sequence[np.ndarray]]
    limit: float | None = None  # drawn across the panel
    log: bool = False


def doses(finished: Finished) -> list[Block]:
    """Exit cost, cost while learning and final values over the setting, then the curves."""
    experiment = finished.experiment
    setting, values = swept(experiment)

    def by_task(found: Callable[[str, str], np.ndarray]) -> dict[str, list[np.ndarray]]:
        return {
            short_name(environment): [
                found(variant, environment) for variant in experiment.variants
            ]
            for environment in experiment.environments
        }

    def of_runs(quantity: str) -> dict[str, list[np.ndarray]]:
        return by_task(lambda variant, task: finished.values(variant, task, quantity))

    exits = by_task(lambda variant, task: _exit_costs(finished, variant, task))
    limit = limit_of(finished, experiment.environments[0])
    panels = [
        Response("the guide's exit cost", exits),
        Response("total cost while learning", of_runs("total_cost"), log=True),
        Response("return, target policy", of_runs("target_return")),
        Response("cost, target policy", of_runs("target_cost"), limit=limit, log=True),
    ]
    several = len(finished.seeds) > 1
    seeds = (
        "Interquartile means over seeds with 95 % intervals; points: every seed"
        if several
        else "One seed"
    )
    caption = (
        f"Over {setting}. Exit cost: of an episode of the source that begins inside a hazard; "
        "target policy: the student alone, means over the last three epochs. "
        f"{seeds}. Dashed: the limit on an episode's cost, {limit:g}."
    )
    figure = responses(values, panels, xlabel=setting, interval="95 % interval" if several else "")
    picture = Picture(png(figure), caption, f"What comes of {setting}")
    return [picture, *navigation(finished)]


def _exit_costs(finished: Finished, variant: str, environment: str) -> np.ndarray:
    kept = kept_guides(finished, variant, environment)
    return np.array([evaluation["exit_cost"] for evaluation in kept], dtype=float)


def swept(experiment: Experiment) -> tuple[str, list[float]]:
    """The one setting in which the variants differ, and its values in their order.

    Raises `HandrailError` if they differ in more than one, or in what is no number.
    """
    variants = experiment.variants.values()
    names = dict.fromkeys(name for own in variants for name in own)
    found = {name: [own.get(name) for own in variants] for name in names}
    differing = {name: values for name, values in found.items() if len(set(map(str, values))) > 1}
    if len(differing) == 1:
        [(name, values)] = differing.items()
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) == len(values):
            return name, numbers
    raise HandrailError(
        f"{experiment.name}: its variants differ in {sorted(differing) or 'nothing'}; a report of "
        "the kind 'doses' needs one setting, with a number in every variant"
    )


def responses(
    values: Sequence[float], panels: Sequence[Response], *, xlabel: str, interval: str
) -> "Figure":
    """Panels over a setting, a line a task; every seed is a point."""
    import matplotlib
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = looks(name for panel in panels for name in panel.scores)
    with matplotlib.rc_context(RC):
        figure, axes = canvas(1, len(panels), width=2.6, height=2.5)
        for ax, panel in zip(axes[0], panels, strict=True):
            for name, scores in panel.scores.items():
                _draw(ax, values, scores, names[name].color, names[name].marker)
            if panel.limit is not None:
                ax.axhline(panel.limit, color=INK, linestyle="--", linewidth=1.1)
            ax.set_xticks(values, [f"{value:g}" for value in values])
            ax.set_xlabel(xlabel)
            ax.set_ylabel(panel.ylabel)
            if panel.log:
                log_axis(ax)
            elif ax.dataLim.y0 >= 0:
                ax.set_ylim(0, 1.08 * max(ax.dataLim.y1, 0.1))
        handles: list = [
            Line2D([], [], color=look.color, marker=look.marker, linewidth=1.8, label=look.label)
            for look in names.values()
        ]
        if interval:
            handles.append(Patch(facecolor=MUTED, alpha=0.25, label=interval))
        legend(figure, handles)
        return figure


def _draw(
    ax: "Axes", values: Sequence[float], scores: Sequence[np.ndarray], color: str, marker: str
) -> None:
    known = {x: own[np.isfinite(own)] for x, own in zip(values, scores, strict=True)}
    known = {x: own for x, own in known.items() if own.size}
    bands = [bootstrap(own) for own in known.values()]
    value, low, high = (
        np.array([float(getattr(band, part)) for band in bands])
        for part in ("value", "low", "high")
    )
    ax.fill_between(list(known), low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(list(known), value, color=color, marker=marker, linewidth=1.8)
    for x, own in known.items():
        ax.plot([x] * own.size, own, ".", color=color, alpha=0.5, markersize=4)
