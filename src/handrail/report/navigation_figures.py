"""The figures and tables of the navigation experiments."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.artifact import load
from handrail.core.files import read_json
from handrail.experiments.schema import Experiment
from handrail.methods.sagui.metrics import Curves, Transfer, transfer
from handrail.report.figures import Panel, curves
from handrail.report.finished import Cell, Finished, Shown
from handrail.report.html import Block, Charts, Table, over_seeds
from handrail.report.stats import bootstrap_curve, iqm
from handrail.tasks.registry import short_name

COLUMNS = (
    "experiment", "task", "method", "seed", "steps", "limit", "epochs", "epochs_above_limit",
    "worst_epoch_cost", "epochs_above_limit_by_steps", "worst_epoch_cost_by_steps",
    "total_cost", "behaviour_return", "behaviour_cost", "target_return",
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
POLICIES = {"behaviour": "behaviour policy", "target": "target policy"}
FLOOR = 2.0  # returns are drawn down to minus this multiple of the highest


def navigation(finished: Shown) -> list[Block]:
    """Return and cost-return of behaviour and target policy over steps, a figure a task."""
    blocks: list[Block] = []
    for environment in finished.experiment.environments:
        found = {name: finished.curves(name, environment) for name in finished.ran(environment)}
        limit = finished.limit(environment)
        floor, lowest = _floor(found)
        returns, costs = (
            [
                Panel(
                    f"{short_name(environment)}, {title}",
                    label,
                    {
                        variant: (runs[0].steps, _over_seeds(runs, f"{policy}_{name}"))
                        for variant, runs in found.items()
                    },
                    limit=limit if name == "cost" else None,
                    log=name == "cost",
                    ylim=None if name == "cost" else (floor, None),
                )
                for policy, title in POLICIES.items()
            ]
            for name, label in (("return", "return"), ("cost", "cost of an episode"))
        )
        several = len(finished.seeds) > 1
        caption = (
            f"{short_name(environment)}: means of every epoch"
            + ("; interquartile mean over seeds with 95 % intervals" if several else ", one seed")
            + f". Dashed: the limit on an episode's cost, {limit:g}."
            + (f" Returns below {floor:.1f} are cut off; the lowest is {lowest:.1f}."
               if floor is not None else "")
        )  # fmt: skip
        interval = "95 % interval" if several else ""
        figure = partial(
            curves,
            [returns, costs],
            interval=interval,
            width=3.9,
            share_rows=False,
            legend_columns=4,
        )
        blocks.append(Charts([*returns, *costs], caption, figure))
    return blocks


def _floor(found: dict[str, list[Curves]]) -> tuple[float | None, float]:
    """Where the axes of returns end if few epochs lie far below the rest, and the lowest mean."""
    means = [
        np.asarray(_over_seeds(runs, f"{policy}_return").value)
        for runs in found.values()
        for policy in POLICIES
    ]
    lowest, highest = float(np.nanmin(np.hstack(means))), float(np.nanmax(np.hstack(means)))
    floor = -FLOOR * highest
    return (floor if highest > 0 and lowest < floor else None), lowest


def tables(finished: Finished) -> list[Table]:
    """Violations and final values, transfer metrics, published values, and the guides."""
    made = []
    for environment in finished.experiment.environments:
        made += [
            _violations(finished, environment),
            _finals(finished, environment),
            _transfer(finished, environment),
            _beside_published(finished, environment),
            _guides(finished, environment),
        ]
    return [table for table in made if table is not None]


def reading(experiment: Experiment) -> str:
    """How to read the page."""
    return f"{READING} {experiment.published_from}".rstrip()


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
    names = (
        "epochs_above_limit", "worst_epoch_cost", "epochs_above_limit_by_steps",
        "worst_epoch_cost_by_steps", "total_cost", "intervention_rate",
    )  # fmt: skip
    epochs = len(finished.curves(finished.ran(environment)[0], environment)[0].steps)
    limit = finished.limit(environment)
    caption = (
        f"{short_name(environment)}, violations: limit {limit:g} an episode, {epochs} epochs. By "
        "steps: an epoch's cost per 1,000 steps, the episode that the limit is meant for."
    )
    return _summaries(finished, environment, names, caption)


def _finals(finished: Finished, environment: str) -> Table:
    names = ("behaviour_return", "behaviour_cost", "target_return", "target_cost")
    caption = f"{short_name(environment)}, final values: means over the last three epochs."
    return _summaries(finished, environment, names, caption)


def _summaries(finished: Finished, environment: str, names: tuple[str, ...], caption: str) -> Table:
    """Entries of the runs' summaries, a row a variant."""
    made: list[list[Cell]] = [
        [variant, *(over_seeds(finished.values(variant, environment, name)) for name in names)]
        for variant in finished.experiment.variants
    ]
    return Table(["variant", *(name.replace("_", " ") for name in names)], made, caption)


def _transfer(finished: Finished, environment: str) -> Table | None:
    """Needs a variant of the method `sac-lagrangian`; None without one."""
    by_seed = {
        variant: dict(
            zip(
                finished.seeds_of(variant, environment),
                finished.curves(variant, environment),
                strict=True,
            )
        )
        for variant in finished.ran(environment)
    }
    scratch = next(
        (
            row.variant
            for row, task in finished.rows
            if task.settings.run.method == "sac-lagrangian"
        ),
        None,
    )
    if scratch is None:
        return None
    optimum = max(
        float(np.nanmean(finished.values(variant, environment, "behaviour_return")))
        for variant in by_seed
    )
    limit = finished.limit(environment)
    made: list[list[Cell]] = []
    for variant, runs in by_seed.items():
        if variant == scratch:
            continue
        found = [
            transfer(run, by_seed[scratch][seed], limit=limit, optimum=optimum)
            for seed, run in runs.items()
            if seed in by_seed[scratch]  # an unfinished experiment may lack some
        ]
        if not found:
            continue
        cells: list[Cell] = [variant]
        for name in Transfer.__dataclass_fields__:
            cells.append(over_seeds(np.array([getattr(metrics, name) for metrics in found])))
        made.append(cells)
    columns = [
        "variant", "safety jump-start", "Δ time to safety (steps)", "return jump-start",
        "Δ time to optimum (steps)",
    ]  # fmt: skip
    caption = (
        f"{short_name(environment)}: transfer metrics against {scratch}; positive is better. "
        f"The optimum is 95 % of the best method's final return, {optimum:.2f}."
    )
    return Table(columns, made, caption)


def _beside_published(finished: Finished, environment: str) -> Table | None:
    """Ours and published ones, a pair of columns a quantity; None where nothing was published.

    Variants first, then methods that only others have run.
    """
    published = {
        name: {variant: by_task[environment] for variant, by_task in found.items()
               if environment in by_task}
        for name, found in finished.experiment.published.items()
    }  # fmt: skip
    published = {name: values for name, values in published.items() if values}
    if not published:
        return None
    ours, theirs = finished.lengths
    columns = ["variant"]
    for name in published:
        columns += [name.replace("_", " ") + ours, f"published{theirs}"]
    made: list[list[Cell]] = []
    named = dict.fromkeys(label for values in published.values() for label in values)
    ran = finished.experiment.variants
    for label in sorted(named, key=lambda label: [*ran, label].index(label)):
        cells: list[Cell] = [label]
        for name, values in published.items():
            own = finished.values(label, environment, name) if label in ran else None
            cells += [None if own is None else over_seeds(own), values.get(label)]
        made.append(cells)
    caption = f"{short_name(environment)}: beside what was published."
    return Table(columns, made, caption)


def _guides(finished: Finished, environment: str) -> Table | None:
    """What the guides were when they were kept; None where nobody has one.

    Variants that share their guides share a row.
    """
    users: dict[tuple[Path, ...], list[str]] = {}
    for variant in finished.experiment.variants:
        files = _guide_files(finished, variant, environment)
        if files:
            users.setdefault(files, []).append(variant)
    names = ("step", "return", "cost", "length", "exit_cost", "shielded_cost")
    made: list[list[Cell]] = []
    for files, variants in users.items():
        kept = [_evaluation(file) for file in files]
        shared = f"{variants[0]} and {len(variants) - 1} others"
        cells: list[Cell] = [shared if len(variants) > 3 else ", ".join(variants)]
        cells += [
            over_seeds(np.array([one.get(name, np.nan) for one in kept], dtype=float))
            for name in names
        ]
        made.append(cells)
    columns = [
        "guide of",
        "kept at step",
        "distance",
        "cost",
        "length",
        "exit cost",
        "shielded cost",
    ]
    caption = (
        f"{short_name(environment)}: the guides when they were kept, in whole episodes of their "
        "source without reward of the task. Exit cost: of an episode that begins inside a hazard. "
        "Shielded cost: of the shield test, per 1,000 steps."
    )
    return Table(columns, made, caption) if made else None


def kept_guides(finished: Finished, variant: str, environment: str) -> list[dict[str, float]]:
    """What the guides of a variant's runs were when they were kept, one a seed."""
    return [_evaluation(file) for file in _guide_files(finished, variant, environment)]


def _guide_files(finished: Finished, variant: str, environment: str) -> tuple[Path, ...]:
    return tuple(
        need.folder / "guide.safetensors"
        for _, task in finished.rows_of(variant, environment)
        for need in task.needs
        if need.kind == "guide"
    )


def _evaluation(guide: Path) -> dict[str, float]:
    return load(guide, expect="guide")[0].training["evaluation"]


def _over_seeds(runs: list[Curves], name: str):
    return bootstrap_curve(np.stack([getattr(run, name) for run in runs]), iqm)
