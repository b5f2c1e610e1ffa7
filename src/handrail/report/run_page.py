"""The page of run folders, whatever was run: an own environment, `handrail train`, knowledge.

What lies in the folders is data of anybody's: what cannot be read is named on the page, and the
rest is shown.
"""

import dataclasses
import logging
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.files import atomic, write_text
from handrail.core.plain_text import message, plain
from handrail.core.recorded import PASSED, mapping
from handrail.experiments.schema import flat
from handrail.report import sections, why
from handrail.report.grouping import by_environment, by_method
from handrail.report.html import (
    Block,
    Charts,
    Details,
    Heading,
    Missing,
    Picture,
    Player,
    Table,
    Text,
    page,
)
from handrail.report.recordings import CAPTION, MOST, kept
from handrail.report.runs import Run, read_what_is_there
from handrail.report.style import png, vector
from handrail.train.rollout.recorded import RecordedEpisode

LOG = logging.getLogger(__name__)
PAGE = "report.html"
MOST_RUNS = 500
MOST_MISSING = 20  # lines about what is missing
SWITCH = "HANDRAIL_REPORT"
"""An environment variable: `off` writes no report at the end of a training."""
EMPTY = (
    "A run's folder is written by `handrail train` and `handrail reproduce`, or by the functions "
    "train_guide, train_student, train_dqn and train_prior."
)
READING = (
    "The behaviour policy is what acts during training, interventions included. The policy alone "
    "is tested without interventions. Returns and costs are undiscounted sums over an episode."
)


def write_run_page(
    folders: Sequence[Path], out: Path | None = None, *, vectors: bool = False
) -> tuple[Path, list[str]]:
    """Writes `report.html` of all runs in these folders; its path, and what is missing.

    `out` is a folder; by default the one folder itself, or of several the working folder. With
    `vectors` the figures are written beside it as PNG, PDF and SVG. Raises `HandrailError` where a
    folder does not exist or `out` cannot be written.
    """
    for folder in folders:
        if not folder.is_dir():
            raise HandrailError(f"{message(folder)} is not a folder: expected one with runs in it")
    out = out or (folders[0] if len(folders) == 1 else Path())
    runs, missing = _gathered(folders)
    blocks = page_blocks(runs, missing)
    title = f"Runs in {folders[0]}" if len(folders) == 1 else f"Runs in {len(folders)} folders"
    if len(runs) == 1:
        title = f"Run {runs[0].folder.resolve().name}"
    text = page(title, blocks, lead=READING if runs else "", facts=_facts(folders, runs))
    if vectors:
        write_figures(blocks, out, vectors=True)
    write_text(out / PAGE, text)
    return out / PAGE, missing


def leave_report(folder: Path | str) -> Path | None:
    """Writes the page of a run that has ended, into its folder, and returns its path.

    Never raises: a training that has finished stays finished. None where that failed, which is
    logged, or where `HANDRAIL_REPORT=off`.
    """
    if os.environ.get(SWITCH, "").lower() == "off":
        return None
    try:
        return write_run_page([Path(folder)])[0]
    except Exception as error:  # whatever it is, the run itself is whole
        LOG.warning("no report was written in %s: %s", plain(folder), message(error))
        return None


def page_blocks(runs: Sequence[Run], missing: Sequence[str]) -> list[Block]:
    """The whole page of these runs, a part an environment."""
    blocks: list[Block] = []
    if not runs:
        blocks.append(Missing("There are no runs here: no folder with a run.json in it.", missing))
        blocks.append(Text(EMPTY))
        return blocks
    if missing:
        more = len(missing) - MOST_MISSING
        shown = [*missing[:MOST_MISSING], *([f"and {more} more"] if more > 0 else [])]
        blocks.append(Missing("Not everything is there; the page shows the rest.", shown))
    places = by_environment(runs)
    for environment, own in places.items():
        before = f"{environment}: " if len(places) > 1 else ""
        groups = by_method(own)
        scope = sections.scope_of(environment, groups, _limit(own))
        begun = sections.begun(groups)
        parts: dict[str, list[Block]] = {
            "What came out": sections.outcomes(groups, scope),
            "Learning": sections.learning(begun, scope),
            "Cost while learning": sections.costs(begun, scope),
            "Safety and return": sections.plane(begun, scope),
            "Interventions": [
                *sections.interventions(begun, scope),
                *why.conditions(begun, scope),
                *why.right(begun),
            ],
            "Guide calibration": why.calibration(begun, scope),
            "Why was the agent stopped?": _player(groups),
            "Settings": _settings(groups),
        }
        for title, made in parts.items():
            if made:
                title = f"{before}{title}" if before else title
                blocks += [Heading(title), *made]
    return blocks


def write_figures(blocks: Sequence[Block], folder: Path, *, vectors: bool = False) -> None:
    """Figures as `figure-N.png` in a folder; with `vectors` as PDF and SVG as well."""
    figures = [
        block.figure() for block in blocks if isinstance(block, Picture | Charts) and block.figure
    ]
    for number, figure in enumerate(figures, start=1):
        drawn = {"png": png(figure)}
        drawn |= {kind: vector(figure, kind) for kind in ("pdf", "svg")} if vectors else {}
        for kind, data in drawn.items():
            with atomic(folder / f"figure-{number}.{kind}") as path:
                path.write_bytes(data)


def _gathered(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs at and below the folders, and a line for everything that is missing."""
    runs, missing, seen = [], [], set()
    for folder in folders:
        found = [path.parent for path in sorted(folder.rglob("run.json"))]
        own = [path for path in found if path == folder] or found
        if not own:
            missing.append(f"{folder} holds no run: there is no run.json in it or below it")
        for path in own:
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            if len(runs) == MOST_RUNS:
                missing.append(f"{folder}: more than {MOST_RUNS} runs; the rest is left out")
                break
            run, lacking = read_what_is_there(path)
            runs.append(run)
            missing += lacking
    return runs, missing


def _limit(runs: Sequence[Run]) -> float | None:
    """The cost limit of an episode that all these runs have; None where they differ."""
    found: set[float] = set()
    for run in runs:
        settings = mapping(run.settings.get("run"))
        value = mapping(run.summary).get("limit", settings.get("limit", run.settings.get("limit")))
        found.add(float(value) if isinstance(value, int | float) else math.nan)
    only = found.pop() if len(found) == 1 else math.nan
    return only if math.isfinite(only) else None


def _player(groups: sections.Groups) -> list[Block]:
    """Episodes that runs have recorded, those of the first such run of each method."""
    episodes: list[RecordedEpisode] = []
    wrong = []
    for label, runs in groups.items():
        for run in runs:
            try:
                found = kept(run.folder, why.threshold(run, "prior_advantage"))
            except HandrailError as error:
                wrong.append(str(error))
                continue
            if found:
                episodes += [dataclasses.replace(episode, method=label) for episode in found]
                break
    made: list[Block] = [Player(episodes[:MOST], CAPTION)] if episodes else []
    return [*made, Missing("Some episodes cannot be shown.", wrong)] if wrong else made


def _settings(groups: sections.Groups) -> list[Block]:
    """Settings in which methods differ as a table, and all settings of each, folded away."""
    all_of = {label: _flat(runs[0].settings) for label, runs in groups.items()}
    names = dict.fromkeys(name for own in all_of.values() for name in own)
    rows: list[list[Any]] = [
        [name, *(None if name not in own else plain(own[name])[:80] for own in all_of.values())]
        for name in names
        if len({str(own.get(name)) for own in all_of.values()}) > 1
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(Table(["setting", *all_of], rows, "Settings in which methods differ."))
    for label, runs in groups.items():
        seeds = [_seed(run) for run in runs]
        told = {"folders": ", ".join(str(run.folder) for run in runs), "seeds": _listed(seeds)}
        if commits := [commit for run in runs for commit in run.versions.get("commits", ())]:
            told["commit of handrail"] = _listed(commits)
        blocks.append(Details(f"All settings of {label}", {**told, **all_of[label]}))
    return blocks


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name != PASSED}
    return {name: value for name, value in flat(kept).items() if not name.endswith("seed")}


def _seed(run: Run) -> Any:
    return mapping(run.settings.get("run")).get("seed", run.settings.get("seed"))


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values)) or "–"


def _facts(folders: Sequence[Path], runs: Sequence[Run]) -> dict[str, str]:
    """What was run, where, and with which versions; what was not recorded is left out."""
    found = [run.versions for run in runs]
    commands = [command for one in found for command in one.get("commands", ())]
    commits = [commit for one in found for commit in one.get("commits", ())]
    packages = [
        ", ".join(f"{name} {one}" for name, one in mapping(run.get("versions")).items()
                  if one != "none")
        for run in found
    ]  # fmt: skip
    facts = {
        "command": _listed(commands) if commands else "",
        "runs": f"{len(runs)}, seeds {_listed([_seed(run) for run in runs])}" if runs else "",
        "machine": _listed([run["processor"] for run in found if run.get("processor")]),
        "device": _listed([run["device"] for run in found if run.get("device")]),
        "versions": "; ".join(dict.fromkeys(filter(None, packages))),
        "commit of handrail": _listed(commits),
        "this page": shlex.join(["handrail", "report", *map(str, folders)]),
    }
    return {name: value for name, value in facts.items() if value not in ("", "–")}
