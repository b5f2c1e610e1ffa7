"""Runs side by side: what came out, which settings differ, and their curves in one figure.

Runs that differ in the seed alone are one group, of which means and intervals are shown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.code_digest import digest_of
from handrail.core.errors import HandrailError
from handrail.core.files import atomic
from handrail.core.recorded import PASSED, mapping
from handrail.core.recorded import compare as recorded
from handrail.equations.interval import Interval
from handrail.experiments.schema import flat
from handrail.report.curves import grid
from handrail.report.figures import Panel, curves
from handrail.report.html import Cell, Table
from handrail.report.runs import Run, cumulative_curves, learning_curves, read_run
from handrail.report.stats import bootstrap, bootstrap_curve, mean
from handrail.report.style import png

MOST = 8  # runs in one table and groups in one figure, as many as there are colours to tell apart
SEEDS = ("seed", "run.seed")
FINAL_STEPS = 10_000
SMOOTHING = 20  # of a run's length, the window of its curve
TELLING = ("run.method", "run.environment", "run.observation", "run.seed")
WORDS = {"run.seed": "seed "}
ALONE = "alone within the limit"
Curves = dict[str, tuple[np.ndarray, Interval]]


def compare(folders: Sequence[Path], out: Path | None = None) -> list[Table]:
    """Tables of the runs in `folders`, finished or going on; the figure is written to `out`.

    Up to eight runs have a column each. Of groups that differ in the seed alone there is a table of
    means, and a mean curve with its interval in place of theirs.
    """
    if len(folders) < 2:
        raise HandrailError(f"{len(folders)} run: expected at least two to compare")
    read = [read_run(folder) for folder in folders]
    called = names(folders)
    runs = dict(zip(labels(read) or called, read, strict=True))
    together = grouped(read, called)
    if len(together) > MOST:
        raise HandrailError(
            f"{len(folders)} runs: at most {MOST} can be told apart, and these differ in more than "
            "the seed; for many runs over seeds see `handrail report`"
        )
    several = len(together) < len(read)
    if out is not None:
        picture = figure(together if several else {name: [run] for name, run in runs.items()})
        with atomic(out) as path:
            path.write_bytes(picture)
    firsts = {name: group[0] for name, group in together.items()}
    tables = [outcomes(runs)] if len(read) <= MOST else []
    if several:
        tables.append(means(together))
    return [*tables, differences(runs if len(read) <= MOST else firsts)]


def grouped(runs: Sequence[Run], called: Sequence[str]) -> dict[str, list[Run]]:
    """Runs that differ in the seed alone, by a name of the group; `called` are those of runs."""
    groups: list[list[int]] = []
    for number, run in enumerate(runs):
        for group in groups:
            others = [runs[other] for other in group]
            if _seed(run) not in map(_seed, others) and _same_but_seed(others[0], run):
                group.append(number)
                break
        else:
            groups.append([number])
    firsts = [runs[group[0]] for group in groups]
    said = labels(firsts, TELLING[:-1]) if len(groups) > 1 else ["all"]
    said = said or [called[group[0]] for group in groups]
    return {
        f"{name}, {len(group)} seeds" if len(group) > 1 else name: [runs[n] for n in group]
        for name, group in zip(said, groups, strict=True)
    }


def means(groups: Mapping[str, Sequence[Run]]) -> Table:
    """One column a group: the mean over its seeds of what came out, with its interval."""
    facts = [[_facts(run) for run in group] for group in groups.values()]
    rows: list[list[Cell]] = [
        [name, *(_mean([one[name] for one in group]) for group in facts)]
        for name in facts[0][0]
        if name not in ("state", ALONE)
    ]
    if any(one[ALONE] for group in facts for one in group):
        rows.append([ALONE, *(_count([one[ALONE] for one in group]) for group in facts)])
    caption = "Means over seeds, with 95 % bootstrap intervals of the mean."
    return Table(["", *groups], rows, caption, digits=3)


def labels(runs: Sequence[Run], telling: Sequence[str] = TELLING) -> list[str] | None:
    """What tells the runs apart of method, environment, observation and seed, if that does."""
    settings = [flat(run.settings) for run in runs]
    told = [name for name in telling if len({str(one.get(name)) for one in settings}) > 1]
    # a run of another family may lack what tells others apart, such as a kind of observation
    short = [
        ", ".join(f"{WORDS.get(n, '')}{one[n]}" for n in told if one.get(n) is not None)
        for one in settings
    ]
    return short if len(set(short)) == len(short) and all(short) else None


def names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the folders' paths that tell them apart."""
    paths = [Path(folder).resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        raise HandrailError("a run is named twice: expected different run folders")
    for length in range(1, max(map(len, paths)) + 1):
        short = ["/".join(parts[-length:]) for parts in paths]
        if len(set(short)) == len(short):
            return short
    raise AssertionError("different paths differ somewhere")


def outcomes(runs: Mapping[str, Run]) -> Table:
    """One column a run: return (mean of the last 10,000 steps), costs, interventions, time, and of
    students with a limit whether they keep it alone.
    """
    facts = [_facts(run) for run in runs.values()]
    names = [name for name in facts[0] if name != ALONE or any(one[name] for one in facts)]
    rows: list[list[Cell]] = [[name, *(one[name] for one in facts)] for name in names]
    return Table(["", *runs], rows, "What came out.", digits=3)


def differences(runs: Mapping[str, Run]) -> Table:
    """The settings in which the runs differ, by dotted name; None where a run has none.

    What a run was passed, such as its environment, is named and told apart by a few digits.
    """
    settings = [dict(run.settings) for run in runs.values()]
    passed = [mapping(one.pop(PASSED, None)) for one in settings]
    flattened = [flat(one) for one in settings]
    rows: list[list[Cell]] = []
    for name in dict.fromkeys(name for one in flattened for name in one):
        values = [one.get(name) for one in flattened]
        if any(value != values[0] for value in values):
            rows.append([name, *(None if value is None else str(value) for value in values)])
    for name in dict.fromkeys(name for one in passed for name in one):
        values = [one.get(name) for one in passed]
        if any(recorded({name: values[0]}, {name: other}).differing for other in values[1:]):
            rows.append([f"{PASSED}.{name}", *map(_named, values)])
    return Table(["setting", *runs], rows, "Settings that differ.")


def figure(groups: Mapping[str, Sequence[Run]]) -> bytes:
    """PNG: returns above, cumulative cost below, a curve a group over the steps of its runs."""
    returns: Curves = {}
    costs: Curves = {}
    for name, group in groups.items():
        runs = [run for run in group if len(run.episodes["step"])]
        if not runs:
            continue
        done = min(run.last_step for run in runs)  # as far as all of them have come
        steps, window = grid(done), max(done / SMOOTHING, 1.0)
        tables = [run.episodes for run in runs]
        returns[name] = steps, _line(learning_curves(tables, steps, window))
        costs[name] = steps, _line(cumulative_curves(tables, steps))
    if not returns:
        raise HandrailError("none of the runs has finished an episode yet: nothing to draw")
    panels = [
        Panel("Return of an episode", "return", returns),
        Panel("Cost so far", "cumulative cost", costs),
    ]
    interval = "95 % interval" if any(len(group) > 1 for group in groups.values()) else ""
    return png(curves([panels], interval=interval, width=4.6, height=3.2, share_rows=False))


def _facts(run: Run) -> dict[str, Cell]:
    summary = run.summary or {}
    step = run.last_step
    late = run.episodes["step"] > step - FINAL_STEPS
    last = {name: column[-1] for name, column in run.progress.items() if len(column)}
    known = "cost" in last and step > 0
    return {
        "state": "finished" if run.finished else "going on, or interrupted",
        "steps": step,
        "episodes": len(run.episodes["step"]),
        "final return": float(run.episodes["return"][late].mean()) if late.any() else None,
        "greedy return": summary.get("greedy_return"),
        "cost in all": float(last["cost"]) if known else None,
        "cost of an episode": float(run.episodes["cost"].mean()) if len(late) else None,
        "intervention rate": float(last["interventions"]) / step if known else None,
        "wall-clock s": summary.get("wall_s"),
        ALONE: _alone(summary),
    }


def _alone(summary: Mapping[str, Any]) -> str | None:
    """Whether the last policy of a student, and any that was tested, keeps the limit alone."""
    last = summary.get("within_limit_alone")
    if not isinstance(last, bool):
        return None
    best = isinstance(summary.get("best_safe"), Mapping)
    return f"{_yes(last)} (best: {_yes(best)})"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _named(described: Any) -> str | None:
    """A description of `handrail.core.identity` in a word or two: its name, and a digest of it."""
    if not isinstance(described, Mapping | list) or not described:
        return None if described is None else str(described)
    given = mapping(described).get("given", described)
    told = [given] if isinstance(given, str) else map(mapping(given).get, ("class", "function"))
    return " ".join(
        [*(name for name in told if isinstance(name, str)), f"#{digest_of(described)[:6]}"]
    )


def _line(curves: np.ndarray) -> Interval:
    """The mean of curves `(runs, points)` with its interval, which of one run is the curve."""
    return bootstrap_curve(curves) if len(curves) > 1 else Interval(*[curves[0]] * 3)


def _seed(run: Run) -> str:
    settings = flat(run.settings)
    return str([settings.get(name) for name in SEEDS])


def _same_but_seed(one: Run, other: Run) -> bool:
    plain = [
        {name: value for name, value in flat(settings).items() if name not in SEEDS}
        for settings in ({**run.settings, PASSED: None} for run in (one, other))
    ]
    passed = [mapping(run.settings.get(PASSED)) for run in (one, other)]
    return plain[0] == plain[1] and not recorded(*passed).differing


def _mean(values: Sequence[Cell]) -> Cell:
    known = np.array([value for value in values if isinstance(value, int | float)], np.float64)
    if known.size > 1:
        return bootstrap(known, mean)
    return float(known[0]) if known.size else None


def _count(values: Sequence[Cell]) -> str:
    return f"{sum(str(value).startswith('yes') for value in values)} of {len(values)}"
