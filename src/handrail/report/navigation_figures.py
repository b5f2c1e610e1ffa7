"""The figures and tables of the navigation experiments."""

from typing import Any

import numpy as np

from handrail.experiments.navigation.evaluations import EVALUATIONS
from handrail.experiments.navigation.metrics import Curves, Transfer, transfer
from handrail.files import read_json
from handrail.records import read_table
from handrail.report.figures import Panel, curves
from handrail.report.finished import Cell, Finished
from handrail.report.html import Block, Picture, Table
from handrail.report.stats import bootstrap, bootstrap_curve, iqm
from handrail.report.style import png

COLUMNS = (
    "experiment", "task", "method", "seed", "steps", "limit", "epochs", "epochs_above_limit",
    "worst_epoch_cost", "total_cost", "behaviour_return", "behaviour_cost", "target_return",
    "target_cost", "steps_to_95", "wall_s", "variant",
)  # fmt: skip
READING = (
    "The behaviour policy is what acts during training, interventions included; its values are "
    "means over the training episodes that ended in an epoch. The target policy is the student's "
    "own, sampled, without a guide, tested after every epoch. Returns and costs are undiscounted "
    "sums over an episode; final values are means over the last three epochs. Over seeds: "
    "interquartile means with 95 % stratified bootstrap intervals. Transfer metrics compare a "
    "run with the run from scratch on the same seed; a time that a run never reaches counts as "
    "the whole run, so such differences are bounds."
)
PANELS = (
    (("behaviour_return", "return, behaviour"), ("target_return", "return, target policy")),
    (("behaviour_cost", "cost-return, behaviour"), ("target_cost", "cost-return, target policy")),
)


def navigation(finished: Finished) -> list[Block]:
    """Return and cost-return of behaviour and target policy over steps, a figure a task."""
    blocks: list[Block] = []
    for environment in finished.experiment.environments:
        found = _curves(finished, environment)
        limit = _limit(finished, environment)
        panels = [
            [
                Panel(
                    _short(environment),
                    label,
                    {
                        variant: (runs[0].steps, _over_seeds(runs, name))
                        for variant, runs in found.items()
                    },
                    limit=limit if name.endswith("cost") else None,
                )
                for name, label in row
            ]
            for row in PANELS
        ]
        caption = (
            f"{_short(environment)}: means of every epoch; interquartile mean over seeds with "
            f"95 % intervals. Dashed: the limit on an episode's cost, {limit:g}."
        )
        alt = f"Return and cost-return of behaviour and target policy, {_short(environment)}"
        blocks.append(Picture(png(curves(panels, share_rows=False)), caption, alt))
    return blocks


def tables(finished: Finished) -> list[Table]:
    """Violations and final values of every variant, and transfer metrics against scratch."""
    made = []
    for environment in finished.experiment.environments:
        made.append(_violations(finished, environment))
        compared = _transfer(finished, environment)
        if compared is not None:
            made.append(compared)
    return made


def rows(finished: Finished) -> list[dict[str, Any]]:
    """One row a run, by the names in `COLUMNS`."""
    made = []
    for row, task in finished.rows:
        summary = read_json(task.folder / "summary.json")
        identity = {
            "experiment": finished.experiment.name,
            "task": row.environment,
            "method": task.settings.run.method,
            "seed": row.seed,
            "variant": row.variant,
        }
        own = {name: summary.get(name) for name in COLUMNS if name not in identity}
        made.append({name: (identity | own)[name] for name in COLUMNS})
    return made


def _violations(finished: Finished, environment: str) -> Table:
    quantities = (
        "epochs_above_limit", "worst_epoch_cost", "total_cost", "behaviour_return",
        "behaviour_cost", "target_return", "target_cost", "intervention_rate",
    )  # fmt: skip
    columns = ["variant", *(name.replace("_", " ") for name in quantities)]
    made: list[list[Cell]] = []
    for variant in finished.experiment.variants:
        cells: list[Cell] = [variant]
        for name in quantities:
            values = finished.values(variant, environment, name)
            known = values[np.isfinite(values)]
            cells.append(bootstrap(known) if known.size else None)
        made.append(cells)
    epochs = len(_curves_of(finished.rows[0][1].folder).steps)
    limit = _limit(finished, environment)
    caption = f"{_short(environment)}: limit {limit:g} an episode, {epochs} epochs."
    return Table(columns, made, caption)


def _transfer(finished: Finished, environment: str) -> Table | None:
    """Needs a variant of the method `sac`; None without one."""
    by_seed = {
        variant: {
            row.seed: _curves_of(task.folder)
            for row, task in finished.rows
            if row.variant == variant and row.environment == environment
        }
        for variant in finished.experiment.variants
    }
    scratch = next(
        (row.variant for row, task in finished.rows if task.settings.run.method == "sac"), None
    )
    if scratch is None:
        return None
    optimum = max(
        float(np.nanmean(finished.values(variant, environment, "behaviour_return")))
        for variant in by_seed
    )
    limit = _limit(finished, environment)
    made: list[list[Cell]] = []
    for variant, runs in by_seed.items():
        if variant == scratch:
            continue
        found = [
            transfer(run, by_seed[scratch][seed], limit=limit, optimum=optimum)
            for seed, run in runs.items()
        ]
        cells: list[Cell] = [variant]
        for name in Transfer.__dataclass_fields__:
            values = np.array([getattr(metrics, name) for metrics in found])
            known = values[np.isfinite(values)]
            cells.append(bootstrap(known) if known.size else None)
        made.append(cells)
    columns = [
        "variant", "safety jump-start", "Δ time to safety (steps)", "return jump-start",
        "Δ time to optimum (steps)",
    ]  # fmt: skip
    caption = (
        f"{_short(environment)}: transfer metrics against {scratch}; positive is better. "
        f"The optimum is 95 % of the best method's final return, {optimum:.2f}."
    )
    return Table(columns, made, caption)


def _curves(finished: Finished, environment: str) -> dict[str, list[Curves]]:
    """The runs of every variant, cut to the epochs that all have."""
    return {
        variant: [
            _curves_of(task.folder)
            for row, task in finished.rows
            if row.variant == variant and row.environment == environment
        ]
        for variant in finished.experiment.variants
    }


def _curves_of(folder) -> Curves:
    return Curves.of(read_table(folder / EVALUATIONS))


def _over_seeds(runs: list[Curves], name: str):
    return bootstrap_curve(np.stack([getattr(run, name) for run in runs]), iqm)


def _limit(finished: Finished, environment: str) -> float:
    return next(
        task.settings.run.limit for row, task in finished.rows if row.environment == environment
    )


def _short(environment: str) -> str:
    return environment.removeprefix("navigation-")
