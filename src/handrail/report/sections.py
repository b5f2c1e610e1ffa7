"""What a page shows of runs, whatever they are: the same charts for every family and for own runs.

`Groups` maps a method (or another label) to its runs, one a seed. What runs have not recorded is
left out, and where nothing is left there is no block.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.core.recorded import mapping
from handrail.equations.budget import LIMIT_STEPS
from handrail.equations.interval import Interval
from handrail.report.charts import Plane
from handrail.report.curves import cumulative, grid, rolling_mean
from handrail.report.figures import Panel, curves
from handrail.report.html import Block, Cell, Charts, Table, over_seeds
from handrail.report.runs import Run
from handrail.report.stats import bootstrap_curve, iqm
from handrail.tasks.registry import FAMILIES

Groups = Mapping[str, Sequence[Run]]
POINTS = 200  # of a curve: a page of twenty methods stays small
WINDOW = 10_000  # steps over which training episodes are averaged
PER = 1_000  # steps to which rates of cost refer
FINAL = 3  # tests at the end whose mean is the final value


@dataclass(frozen=True)
class Scope:
    """What the groups have in common: how long the longest run is, and what it may cost."""

    title: str
    steps: int
    limit: float | None = None  # undiscounted cost of an episode
    limit_steps: int | None = None  # steps of the episode that it is for

    @property
    def window(self) -> float:
        """Steps over which curves are averaged."""
        return max(min(WINDOW, self.steps / 5), 1.0)

    @property
    def rate(self) -> float | None:
        """The limit for 1,000 steps."""
        if self.limit is None or not self.limit_steps:
            return None
        return self.limit * PER / self.limit_steps


def scope_of(title: str, groups: Groups, limit: float | None = None) -> Scope:
    """The scope of these runs. Where they do not all say the same steps that a limit is for, the
    limit has no rate.
    """
    runs = [run for own in groups.values() for run in own]
    steps = max((run.last_step for run in runs), default=0)
    said = {_limit_steps(run) for run in runs}
    return Scope(title, max(steps, 1), limit, said.pop() if len(said) == 1 else None)


def _limit_steps(run: Run) -> int | None:
    """Steps of the episode that a run's limit is for, as it says once it has finished, or as its
    settings do; None where that is not known.
    """
    own = mapping(run.settings.get("run"))
    for length in (
        (run.summary or {}).get("limit_steps"), own.get("episode_length"),
        run.settings.get("episode_length"),
    ):  # fmt: skip
        if isinstance(length, int | float) and length > 0:
            return int(length)
    name = own.get("environment", run.settings.get("environment"))
    known = isinstance(name, str) and any(family.knows(name) for family in FAMILIES)
    return LIMIT_STEPS if known else None


def begun(groups: Groups) -> dict[str, list[Run]]:
    """The runs that have recorded a step; groups without any are left out."""
    kept = {label: [run for run in runs if run.last_step] for label, runs in groups.items()}
    return {label: runs for label, runs in kept.items() if runs}


def learning(groups: Groups, scope: Scope) -> list[Block]:
    """Return and cost of an episode over steps: of the behaviour, and of the policy alone."""
    steps = grid(scope.steps, POINTS)
    panels = []
    for column, limit in (("return", None), ("cost", scope.limit)):
        of = {
            label: over_runs(steps, [_episodes(run, column, steps, scope.window) for run in runs])
            for label, runs in groups.items()
        }
        panels += panel(f"{column.capitalize()}, behaviour", f"{column} of an episode", of, limit)
        alone = {
            label: found
            for label, runs in groups.items()
            if (found := _tests(runs, f"target_{column}", column))
        }
        panels += panel(f"{column.capitalize()}, alone", f"{column} of an episode", alone, limit)
    if not panels:
        return []
    tested = any("alone" in panel.title for panel in panels)
    words = [
        f"Behaviour: what acts in training, interventions included; means of the episodes that "
        f"ended within {scope.window:,.0f} steps, at {len(steps)} points.",
        "Alone: the policy tested by itself, without interventions." if tested else "",
        interval_of(groups),
        f"Dashed: the limit on an episode's cost, {scope.limit:g}." if scope.limit else "",
    ]
    return [Charts(panels, " ".join(filter(None, words)), functools.partial(_figure, panels))]


def costs(groups: Groups, scope: Scope) -> list[Block]:
    """Cost for 1,000 steps against the limit, cost so far, and episodes above the limit so far."""
    steps = grid(scope.steps, POINTS)
    rates, sums, above = {}, {}, {}
    for label, runs in groups.items():
        so_far = [_so_far(run, "cost", steps) for run in runs]
        sums[label] = over_runs(steps, so_far)
        rates[label] = over_runs(steps, [rate(run, "cost", steps, scope.window) for run in runs])
        if scope.limit is not None:
            over = [
                _until(run, cumulative(run.episodes["step"], run.episodes["cost"] > scope.limit,
                                       steps), steps)
                for run in runs
            ]  # fmt: skip
            above[label] = over_runs(steps, over)
    panels = [
        *panel("Cost while learning", f"cost per {PER:,} steps", rates, scope.rate),
        *panel("Cost so far", "cost in all", sums, None, log=True),
        *panel("Episodes above the limit so far", "episodes", above, None, log=True),
    ]
    if not panels:
        return []
    words = [
        f"Everything that acts in training counts. Cost per {PER:,} steps: over the last "
        f"{scope.window:,.0f} steps.",
        f"Dashed: the limit of {scope.limit:g} for an episode of {scope.limit_steps:,} steps, "
        f"which is {scope.rate:.3g} per {PER:,} steps." if scope.rate else "",
        interval_of(groups),
    ]  # fmt: skip
    return [Charts(panels, " ".join(filter(None, words)), functools.partial(_figure, panels))]


def plane(groups: Groups, scope: Scope) -> list[Block]:
    """What runs cost while they learnt, and what they earn in the end: which are unsurpassed?"""
    runs, means = {}, {}
    for label, own in groups.items():
        points = np.array([_outcome(run, scope) for run in own])
        points = points[np.isfinite(points).all(axis=1)] if len(points) else points
        if len(points):
            runs[label] = points
            cost, value = (over_seeds(points[:, axis]) for axis in (0, 1))
            means[label] = _interval(cost), _interval(value)
    if not runs:
        return []
    front = unsurpassed({name: (float(c.value), float(v.value)) for name, (c, v) in means.items()})
    caption = (
        "One point a run, a large one for the mean of a method, with its intervals. Left is safer, "
        "up is better: methods on the dashed steps are surpassed by no other in both. Cost: of all "
        f"training, per {PER:,} steps. Return: of the policy alone in its last {FINAL} tests; of "
        f"runs without tests, of training episodes in the last {scope.window:,.0f} steps."
    )
    across = f"cost per {PER:,} steps of training"
    made = Plane("Safety and return", across, "final return", runs, means, front, scope.rate)
    return [Charts([made], caption)]


def interventions(groups: Groups, scope: Scope) -> list[Block]:
    """The share of steps that an intervention took over, for methods that have one."""
    steps = grid(scope.steps, POINTS)
    shares = {
        label: over_runs(
            steps, [rate(run, "interventions", steps, scope.window) / PER for run in runs]
        )
        for label, runs in groups.items()
        if any(np.nansum(run.episodes["interventions"]) > 0 for run in runs)
    }
    panels = panel("Interventions", "share of steps", shares, None)
    if not panels:
        return []
    caption = (
        f"The share of steps in which something else acted than the learner proposed, over the "
        f"last {scope.window:,.0f} steps. {interval_of(groups)}"
    )
    return [Charts(panels, caption, functools.partial(_figure, panels))]


def outcomes(groups: Groups, scope: Scope) -> list[Block]:
    """A row a method: what came out, over seeds."""
    rows: list[list[Cell]] = []
    for label, runs in groups.items():
        found = np.array([_outcome(run, scope) for run in runs])
        total = np.array([_total(run, "cost") for run in runs])
        share = np.array([_total(run, "interventions") / max(run.last_step, 1) for run in runs])
        rows.append(
            [label, len(runs), max(run.last_step for run in runs), over_seeds(found[:, 1]),
             over_seeds(found[:, 0]), over_seeds(total), over_seeds(share)]
        )  # fmt: skip
    columns = ["method", "runs", "steps", "final return", f"cost per {PER:,} steps", "cost in all",
               "share of interventions"]  # fmt: skip
    caption = (
        f"A row a method. Cost in all: what training has cost. Share of interventions: of the "
        f"steps, those in which something else acted than the learner proposed. "
        f"{interval_of(groups)}"
    )
    return [Table(columns, rows, caption.strip(), digits=3)] if rows else []


def unsurpassed(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The methods that no other surpasses: by (cost, return), lower and higher is better, by cost.

    Of methods that are equal in both, all stay.
    """

    def surpasses(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] <= other[0] and one[1] >= other[1] and one != other

    kept = [
        name
        for name, own in points.items()
        if not any(surpasses(other, own) for other in points.values())
    ]
    return sorted(kept, key=lambda name: points[name])


def interval_of(groups: Groups) -> str:
    """What bands and brackets are, in a sentence; nothing where every group is one run."""
    most = max((len(runs) for runs in groups.values()), default=0)
    if most < 2:
        return ""
    return f"Interquartile means over up to {most} runs, with 95 % intervals."


def panel(
    title: str,
    unit: str,
    found: Mapping[str, tuple[np.ndarray, Interval]],
    limit: float | None,
    *,
    log: bool = False,
    offered: bool = False,
    limit_label: str = "limit",
) -> list[Panel]:
    """A panel of what is known; none where nothing is."""
    known = {name: curve for name, curve in found.items() if np.isfinite(curve[1].value).any()}
    offered = offered or unit.startswith("cost")
    made = Panel(title, unit, known, limit=limit, limit_label=limit_label, log=log, offered=offered)
    return [made] if known else []


def _figure(panels: Sequence[Panel]):
    rows = [[panel] for panel in panels] if len(panels) > 3 else [list(panels)]
    if len(panels) == 4:
        rows = [list(panels[:2]), list(panels[2:])]
    return curves(rows, width=3.9, share_rows=False, legend_columns=4)


def over_runs(steps: np.ndarray, runs: Sequence[np.ndarray]) -> tuple[np.ndarray, Interval]:
    """A curve with its interval over runs `(points,)` each; a single run is its own interval."""
    values = np.stack(runs)
    values = np.where(np.isfinite(values), values, np.nan)
    if len(values) == 1:
        return steps, Interval(values[0], values[0], values[0])
    return steps, bootstrap_curve(values, iqm, resamples=400)


def _until(run: Run, values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """NaN after the last step of the run."""
    return np.where(steps <= run.last_step, values, np.nan)


def _episodes(run: Run, column: str, steps: np.ndarray, window: float) -> np.ndarray:
    found = rolling_mean(run.episodes["step"], run.episodes[column], steps, window)
    return _until(run, found, steps)


def _so_far(run: Run, column: str, steps: np.ndarray) -> np.ndarray:
    """A total by each of `steps`: as the run's progress has it, else of its whole episodes."""
    if len(run.progress.get(column, ())):
        ends, totals = run.progress["step"], run.progress[column]
        found = np.interp(steps, [0.0, *ends], [0.0, *totals])
    else:
        found = cumulative(run.episodes["step"], run.episodes[column], steps)
    return _until(run, found, steps)


def rate(run: Run, column: str, steps: np.ndarray, window: float) -> np.ndarray:
    """A total per 1,000 steps within the window that ends at each of `steps`."""
    before = np.maximum(steps - window, 0)
    gained = _so_far(run, column, steps) - _so_far(run, column, before)
    return gained / np.maximum(steps - before, 1) * PER


def _total(run: Run, column: str) -> float:
    return float(_so_far(run, column, np.array([run.last_step]))[0])


def _outcome(run: Run, scope: Scope) -> tuple[float, float]:
    """Cost per 1,000 steps of training, and the final return; NaN where it is not known."""
    step = run.last_step
    if not step:
        return np.nan, np.nan
    names = [name for name in ("target_return", "return") if len(run.evaluations.get(name, ()))]
    if names:
        last = run.evaluations[names[0]][-FINAL:]
    else:
        last = run.episodes["return"][run.episodes["step"] > step - scope.window]
    last = last[np.isfinite(last)]
    value = float(last.mean()) if len(last) else np.nan
    return _total(run, "cost") / step * PER, value


def _tests(runs: Sequence[Run], *names: str) -> tuple[np.ndarray, Interval] | None:
    """The first of these columns that runs' tests have, over seeds, by epoch; None without."""
    found = []
    for run in runs:
        name = next((name for name in names if len(run.evaluations.get(name, ()))), None)
        if name is not None:
            found.append((run.evaluations["step"], run.evaluations[name]))
    if not found:
        return None
    steps = np.unique(np.concatenate([ends for ends, _ in found]))
    values = np.full((len(found), len(steps)), np.nan)
    for row, (ends, own) in zip(values, found, strict=True):
        row[np.searchsorted(steps, ends)] = own
    steps, values = _thinned(steps, values)
    return over_runs(steps, list(values))


def _thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most 200 points: each the mean of equally many tests that follow one another."""
    size = -(-len(steps) // POINTS)
    if size == 1:
        return steps, values
    starts = range(0, len(steps), size)
    parts = [values[:, start : start + size] for start in starts]
    known = [np.isfinite(part) for part in parts]
    means = [
        np.where(there, part, 0).sum(1) / np.where(there.any(1), there.sum(1), np.nan)
        for part, there in zip(parts, known, strict=True)
    ]
    return np.array([steps[start : start + size][-1] for start in starts]), np.stack(means, 1)


def _interval(cell: Cell) -> Interval:
    return cell if isinstance(cell, Interval) else Interval(*[float(cell or 0.0)] * 3)  # pyrefly: ignore
