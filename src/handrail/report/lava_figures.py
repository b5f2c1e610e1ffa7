"""The figures of the lava experiments."""

import dataclasses
import itertools
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from handrail.equations.interval import Interval
from handrail.report.curves import grid
from handrail.report.figures import Bars, Panel, Sweep, bars, curves, sweep
from handrail.report.finished import Finished, Shown
from handrail.report.html import Block, Charts, Picture, Table
from handrail.report.maps import EmbeddingMap, VisitMap, heatmap, principal_components, scatter
from handrail.report.runs import cumulative_curves, learning_curves
from handrail.report.stats import bootstrap_curve, bootstrap_known, iqm
from handrail.tasks.registry import short_name

WINDOW = 10_000  # steps over which returns are averaged
COLORS = (None, "red", "yellow", "purple", "blue", "green")


@dataclasses.dataclass(frozen=True)
class Axis:
    """What a sweep is over: what it is called, the paper's value, and whether it is logarithmic."""

    label: str
    paper: float | None = None
    log: bool = False


SWEPT = {
    "lava-dmax": Axis("d_max", 2.5),
    "lava-distance": Axis("d_max", 2.5),
    "lava-buffer": Axis("unsafe embeddings kept", 100, log=True),
    "lava-memory": Axis("unsafe embeddings kept", 100, log=True),
    "lava-layouts": Axis("layouts that knowledge comes from", log=True),
}


def learning(finished: Shown) -> list[Block]:
    """Return above violations over steps, a column an environment."""
    steps = grid(finished.steps)
    window = min(WINDOW, finished.steps / 5)
    returns, violations = [], []
    for environment in finished.experiment.environments:
        rewarded, burnt = {}, {}
        for variant in finished.ran(environment):
            tables = finished.episodes(variant, environment)
            curve = bootstrap_curve(learning_curves(tables, steps, window), iqm)
            rewarded[variant] = (steps, curve)
            burnt[variant] = (steps, bootstrap_curve(cumulative_curves(tables, steps), iqm))
        title = short_name(environment)
        returns.append(
            Panel(title, "return", rewarded, _last_point(finished, "final_return", environment),
                  ylim=(0, 1) if _of_lava(rewarded) else None)
        )  # fmt: skip
        violations.append(
            Panel(title, "violations so far", burnt,
                  _last_point(finished, "violations", environment), log=True)
        )  # fmt: skip
    caption = (
        f"Return of training episodes (mean over {window:,.0f} steps) and violations so far; "
        "interquartile mean over seeds with 95 % intervals."
    )
    if any(panel.published for panel in (*returns, *violations)):
        caption += " Diamonds: published final values."
    return [Charts([*returns, *violations], caption, partial(curves, [returns, violations]))]


def _of_lava(curves: Mapping[str, Any]) -> bool:
    """Whether returns are from 0 to 1, as those of lava are."""
    bounds = [np.ravel(part) for _, curve in curves.values() for part in (curve.low, curve.high)]
    values = np.concatenate([np.zeros(0), *bounds])
    return bool(np.all(~np.isfinite(values) | ((values >= 0) & (values <= 1))))


def bars_of_variants(finished: Shown) -> list[Block]:
    """Final return and violations of every variant, grouped by environment."""
    panels = []
    for quantity, label in (("final_return", "final return"), ("violations", "violations")):
        found = intervals(finished, quantity)
        values = {short_name(environment): own for environment, own in found.items()}
        panels.append(Bars(label, values, title=label, log=quantity == "violations"))
    caption = "Final return and violations; interquartile mean over seeds with 95 % intervals."
    return [Picture(partial(bars, panels), caption, "Bars of final return and violations")]


def intervals(finished: Shown, quantity: str) -> dict[str, dict[str, Interval]]:
    """A quantity of every environment and variant over seeds; without those of no known value."""
    return {
        environment: {
            variant: found
            for variant in finished.ran(environment)
            if (found := bootstrap_known(finished.values(variant, environment, quantity)))
        }
        for environment in finished.experiment.environments
    }


def sweep_of_variants(finished: Shown) -> list[Block]:
    """Return and violations over a parameter; variants are named by its values.

    A variant whose name is no number is drawn as a line of its own across all values.
    """
    numbers = [name for name in finished.experiment.variants if _number(name) is not None]
    others = [name for name in finished.experiment.variants if _number(name) is None]
    x = [float(name) for name in numbers]
    panels = [
        Sweep(label, _lines(finished, numbers, others, quantity))
        for quantity, label in (("final_return", "final return"), ("violations", "violations"))
    ]
    axis = SWEPT.get(finished.experiment.name, Axis("value"))
    figure = partial(
        sweep, x, panels, xlabel=axis.label, chosen=axis.paper, log_x=axis.log,
    )  # fmt: skip
    caption = f"Final return and violations over {axis.label}." + (
        "" if axis.paper is None else " Dashed: the paper's value."
    )
    return [Picture(figure, caption, "Return and violations over a parameter")]


def heatmaps(finished: Finished) -> list[Block]:
    """Where the agents were, per variant and environment."""
    maps = []
    for environment in finished.experiment.environments:
        for variant in finished.experiment.variants:
            run = finished.runs(variant, environment)[0]
            maps.append(_visits(f"{variant}, {short_name(environment)}", run.arrays()))
    figure = partial(heatmap, maps, columns=len(finished.experiment.variants))
    caption = "Visits of every cell during training (all directions), first seed."
    return [Picture(figure, caption, "Heat maps of visited cells")]


def embeddings(finished: Finished) -> list[Block]:
    """Embeddings in two dimensions, coloured by safety, and how well they separate."""
    from handrail.tasks.lava.analysis import check_states

    blocks: list[Block] = []
    rows = []
    for variant in finished.experiment.variants:
        points = {}
        for environment in finished.experiment.environments:
            checks = [
                check_states(encoder, view, environment, seed)
                for encoder, view, seed in _encoders(finished, variant, environment)
            ]
            points[environment] = checks[0]
            rows.append([variant, short_name(environment), *_quality(checks)])
        projected = principal_components(*(check.embeddings for check in points.values()))
        panels = [
            EmbeddingMap(short_name(name), projection, check.unsafe)
            for (name, check), projection in zip(points.items(), projected, strict=True)
        ]
        caption = f"{variant}: embeddings of every state of the first layout, main directions."
        blocks.append(Picture(partial(scatter, panels), caption, "Embeddings coloured by safety"))
    columns = ["encoder", "environment", "separation", "caught at 2.5", "false alarms at 2.5"]
    caption = (
        "Over all states of the held-out layouts. Separation: probability that an unsafe state "
        "(lava ahead) lies nearer to the unsafe embeddings brought along than a safe one."
    )
    return [Table(columns, rows, caption), *blocks]


def appearance(finished: Finished) -> list[Block]:
    """Both checks on every state, with lava in other colours."""
    from handrail.tasks.lava.analysis import check_actions, check_states

    rows = []
    places = itertools.product(finished.experiment.variants, finished.experiment.environments)
    for variant, environment in places:
        for color in COLORS:
            states, actions = [], []
            for row, task in finished.rows_of(variant, environment):
                files = {need.kind: need.folder for need in task.needs}
                view = task.settings.knowledge["encoder"].view
                states.append(
                    check_states(
                        files["encoder"] / "encoder.safetensors", view, environment, row.seed,
                        lava_color=color,
                    )
                )  # fmt: skip
                actions.append(
                    check_actions(
                        files["prior"] / "prior.safetensors", view, environment, row.seed,
                        lava_color=color,
                    )
                )  # fmt: skip
            recall, alarms = np.mean(actions, axis=0)
            rows.append([variant, short_name(environment), color or "orange (MiniGrid's)",
                         *_quality(states), float(recall), float(alarms)])  # fmt: skip
    columns = ["knowledge", "environment", "lava", "separation", "state check: caught",
               "false alarms", "action check: caught", "false alarms"]  # fmt: skip
    return [Table(columns, rows, "Both checks on every state of the held-out layouts.")]


def _quality(checks) -> list[float]:
    rates = np.mean([check.rates(2.5) for check in checks], axis=0)
    return [float(np.mean([check.separation() for check in checks])), *map(float, rates)]


def _encoders(finished: Finished, variant: str, environment: str):
    for row, task in finished.rows_of(variant, environment):
        folder = next(need.folder for need in task.needs if need.kind == "encoder")
        yield folder / "encoder.safetensors", task.settings.knowledge["encoder"].view, row.seed


def _visits(title: str, arrays: dict[str, np.ndarray]) -> VisitMap:
    kinds = arrays["grid"].T  # rows are y
    visits = np.zeros(kinds.shape)
    np.add.at(visits, (arrays["cells"][:, 1], arrays["cells"][:, 0]), arrays["visits"])
    goal_y, goal_x = np.argwhere(kinds == 3)[0]
    x, y = arrays["start"]
    return VisitMap(
        title, visits, kinds == 2, (int(goal_x), int(goal_y)), (int(x), int(y)), kinds == 1
    )


def _lines(
    finished: Shown, numbers: list[str], others: list[str], quantity: str
) -> dict[str, list[np.ndarray]]:
    """The runs of every value by environment; a variant beside the values is a flat line."""
    lines = {}
    for environment in finished.experiment.environments:
        name = short_name(environment)
        lines[name] = [finished.values(value, environment, quantity) for value in numbers]
        for other in others:
            flat = finished.values(other, environment, quantity)
            lines[f"{name}, {other}"] = [flat] * len(numbers)
    return lines


def _last_point(finished: Shown, quantity: str, environment: str):
    """The published value of a quantity as a point at the end of the curve."""
    published = finished.experiment.published.get(quantity, {})
    return {
        variant: ([finished.steps], [values[environment]])
        for variant, values in published.items()
        if environment in values and finished.steps >= 200_000
    }


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None
