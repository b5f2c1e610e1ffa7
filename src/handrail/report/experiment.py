"""The report of a reproduced experiment: one page, figures as PNG, tables as CSV."""

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.errors import UnknownName
from handrail.core.files import read_json, write_text
from handrail.core.splits import split_of
from handrail.core.versions import ABSENT, versions
from handrail.experiments.schema import Experiment, flat
from handrail.report import coverage_figures, navigation_figures, robustness, robustness_figures
from handrail.report.finished import Cell, Finished
from handrail.report.html import Block, Details, Heading, Player, Table, Text, comparison, page
from handrail.report.lava_figures import (
    appearance,
    bars_of_variants,
    embeddings,
    heatmaps,
    intervals,
    learning,
    sweep_of_variants,
)
from handrail.report.parameter_sweep import parameter_sweep
from handrail.report.recordings import CAPTION, of_experiment
from handrail.report.run_page import write_figures
from handrail.report.runs import computed_by
from handrail.report.sections import costs, interventions, plane, scope_of
from handrail.report.why import calibration, conditions, right
from handrail.tasks.registry import family_of

Kind = Callable[[Finished], list[Block]]
KINDS: dict[str, Kind] = {
    "learning": learning,
    "bars": bars_of_variants,
    "sweep": sweep_of_variants,
    "heatmap": heatmaps,
    "embedding": embeddings,
    "appearance": appearance,
    "navigation": navigation_figures.navigation,
    "parameter-sweep": parameter_sweep,
    "coverage": coverage_figures.coverage,
    "robustness": robustness.robustness,
}
COLUMNS = (
    "experiment", "environment", "method", "observation", "knowledge", "seed", "steps",
    "final_return", "greedy_return", "violations", "intervention_rate", "wall_s", "variant",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What sums up the runs of a family of tasks."""

    columns: tuple[str, ...]
    rows: Callable[[Finished], list[dict[str, Any]]]
    tables: Callable[[Finished], list[Table]]
    reading: str


def sheet(experiment: Experiment) -> Sheet:
    """The columns and tables of an experiment: those of navigation, or those of lava."""
    readings = {
        "navigation": navigation_figures.reading(experiment),
        "parameter-sweep": navigation_figures.reading(experiment),
        "coverage": coverage_figures.READING,
        "robustness": robustness_figures.READING,
    }
    if experiment.report in readings:
        return Sheet(
            navigation_figures.COLUMNS,
            navigation_figures.rows,
            navigation_figures.tables,
            readings[experiment.report],
        )
    return Sheet(COLUMNS, _rows, _tables, READING)


def write_report(
    finished: Finished, folder: Path, *, vectors: bool = False
) -> tuple[Path, list[Table]]:
    """Writes `report.html`, figures as PNG and `summary.csv` into `folder`.

    With `vectors` figures are written as PDF and SVG as well. Returns the page's path and the
    tables that sum it up.
    """
    experiment = finished.experiment
    if experiment.report not in KINDS:
        raise UnknownName("kind of report", experiment.report, KINDS)
    summed = sheet(experiment)
    tables = summed.tables(finished) if experiment.runs else []
    figures = KINDS[experiment.report](finished)
    blocks: list[Block] = [Heading("Results"), *tables, Heading("Figures"), *figures]
    if experiment.runs:
        blocks += _common(finished)
    player = _player(finished)
    if player:
        blocks += [Heading("Why was the agent stopped?"), player]
    if experiment.runs:
        blocks += [Heading("Every run"), _every_run(finished, summed)]
        write_text(folder / "summary.csv", _csv(finished, summed))
        blocks += [Heading("Settings"), *_settings(finished)]
    blocks += [Heading("How to read this"), Text(summed.reading)]
    write_figures(figures, folder, vectors=vectors)
    html = page(experiment.title, blocks, lead=experiment.question, facts=_facts(finished))
    write_text(folder / "report.html", html)
    shown = [block for block in figures if isinstance(block, Table)]
    return folder / "report.html", [*tables, *shown]


READING = (
    "Values are interquartile means over seeds with 95 % stratified bootstrap intervals in "
    "brackets. The final return is the mean return of the training episodes, exploration "
    "included, that end in the last 10,000 steps; a violation is a step in training that costs, "
    "such as one into lava. "
    "Published values were read off the paper's plots (returns to ± 0.03)."
)


def _facts(finished: Finished) -> dict[str, Any]:
    experiment: Experiment = finished.experiment
    families = [family_of(name) for name in experiment.environments]
    engines = [name for family in families for name in family.packages]
    facts = {
        "command": finished.command,
        "budget": f"{finished.budget}, {len(finished.seeds)} "
        f"{'seed' if len(finished.seeds) == 1 else 'seeds'} "
        f"({', '.join(map(str, finished.seeds))}; {split_of(finished.seeds)})",
        "machine": finished.machine,
        "this call took": f"{finished.seconds:.0f} s (finished runs are not repeated)",
        "versions": ", ".join(
            f"{name} {found}"
            for name, found in versions().items()
            if name in ("handrail", "jax", "equinox", *engines) and found != ABSENT
        ),
    }
    folders = [task.folder for _, task in finished.rows]
    commits = [commit for folder in folders for commit in computed_by(folder).get("commits", ())]
    if commits:
        facts["commit of handrail"] = ", ".join(dict.fromkeys(commits))
    if experiment.source:
        facts["after"] = experiment.source
    return facts


def _tables(finished: Finished) -> list[Table]:
    published = finished.experiment.published
    tables = []
    for quantity, caption, digits in (
        ("final_return", "Final return", 2),
        ("violations", "Violations during training", 0),
    ):
        ours = intervals(finished, quantity)
        theirs = {
            environment: {
                variant: values[environment]
                for variant, values in published.get(quantity, {}).items()
                if environment in values
            }
            for environment in finished.experiment.environments
        }
        tables.append(
            comparison(ours, theirs, lengths=finished.lengths, caption=caption, digits=digits)
        )
    return tables


def _rows(finished: Finished) -> list[dict[str, Any]]:
    rows = []
    for row, task in finished.rows:
        summary = read_json(task.folder / "summary.json")
        rows.append(
            {
                "experiment": finished.experiment.name,
                "environment": row.environment,
                "method": task.settings.run.method,
                "observation": getattr(task.settings.run, "observation", None),
                "knowledge": task.settings.recorded.get("knowledge"),
                "seed": row.seed,
                **{name: summary.get(name) for name in COLUMNS[6:12]},
                "variant": row.variant,
            }
        )
    return rows


def _csv(finished: Finished, summed: Sheet) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, summed.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(summed.rows(finished))
    return text.getvalue()


def _common(finished: Finished) -> list[Block]:
    """What pages of all runs show, an environment after the other."""
    blocks: list[Block] = []
    for environment in finished.experiment.environments:
        groups = {name: finished.runs(name, environment) for name in finished.ran(environment)}
        if not groups:
            continue
        limits = {
            getattr(task.settings.run, "limit", None)
            for row, task in finished.rows
            if row.environment == environment
        }
        scope = scope_of(environment, groups, limits.pop() if len(limits) == 1 else None)
        before = f"{environment}: " if len(finished.experiment.environments) > 1 else ""
        for title, made in {
            "Safety and return": [*plane(groups, scope), *costs(groups, scope)],
            "Interventions": [
                *interventions(groups, scope), *conditions(groups, scope), *right(groups)
            ],
            "Guide calibration": calibration(groups, scope),
        }.items():  # fmt: skip
            blocks += [Heading(f"{before}{title}"), *made] if made else []
    return blocks


def _settings(finished: Finished) -> list[Block]:
    """What each variant sets itself, and what all have in common."""
    shared = finished.experiment.base
    rows: list[list[Cell]] = [
        [name, ", ".join(f"{key} = {value}" for key, value in own.items())]
        for name, own in finished.experiment.variants.items()
    ]
    table = Table(["variant", "settings"], rows, "What each variant sets.")
    runs = {name: finished.runs(name, environment)
            for environment in finished.experiment.environments[:1]
            for name in finished.ran(environment)}  # fmt: skip
    return [
        table,
        *([Details("Settings of the experiment", shared)] if shared else []),
        *(Details(f"All settings of {name}", flat(own[0].settings)) for name, own in runs.items()),
    ]


def _every_run(finished: Finished, summed: Sheet) -> Table:
    found = summed.rows(finished)
    columns = [name for name in summed.columns if name != "experiment"]
    alike = [name for name in columns if len({str(row[name]) for row in found}) == 1]
    alike = alike if len(found) > 1 else []
    columns = [name for name in columns if name not in alike]
    rows: list[list[Cell]] = [[row[name] for name in columns] for row in found]
    shared = ", ".join(f"{name.replace('_', ' ')} {found[0][name]}" for name in alike)
    caption = "One row a run." + (f" The same in all: {shared}." if shared else "")
    return Table([name.replace("_", " ") for name in columns], rows, caption, digits=3)


def _player(finished: Finished) -> Player | None:
    """Recorded episodes of each variant, of the first seed and environment."""
    episodes = of_experiment(finished)
    return Player(episodes, CAPTION) if episodes else None
