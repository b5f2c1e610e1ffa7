"""Why interventions stepped in: what triggers saw, what that was compared with, and how often each
condition held; where the truth is known, whether they were right.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.recorded import mapping
from handrail.report.curves import grid
from handrail.report.figures import Panel
from handrail.report.html import Block, Cell, Charts, Table, over_seeds
from handrail.report.runs import Run
from handrail.report.sections import POINTS, Groups, Scope, interval_of, over_runs, panel, rate
from handrail.train.evidence import COLUMN

CONDITIONS = {
    "state_check": "near an unsafe state",
    "action_check": "the prior rates the action too low",
    "shield_repeats_harm": "the action has done harm in such a state",
    "latched": "after the episode's first cost",
    "interval": "in a random interval of the guide",
    "budget_spent": "the episode's budget is spent",
    "predicate": "your predicate holds",
    "not_finite": "a quantity was not finite",
}
"""Truths that triggers record, in words; the mean is the share of steps in which they held."""
QUANTITIES = {
    "distance": "distance to unsafe embeddings",
    "shield_harm_distance": "distance to a state in which the action did harm",
    "prior_advantage": "prior's rating above the state's mean",
    "predicted_cost": "predicted cost of the proposed action",
    "guide_probability": "probability that the guide acts",
}
FIRES = {
    "distance": ("state_check", "below"),
    "prior_advantage": ("action_check", "below"),
    "shield_harm_distance": ("shield_repeats_harm", "below"),
    "predicted_cost": ("", "above"),
}
"""Which condition a quantity decides, and on which side of its threshold it fires."""
RADIUS = "radius"  # what distances are compared with changes during a run, so it is recorded


def conditions(groups: Groups, scope: Scope) -> list[Block]:
    """How often each condition held, over steps; what quantities were, and their thresholds."""
    steps = grid(scope.steps, POINTS)
    names = list(dict.fromkeys(name for runs in groups.values() for name in _recorded(runs)))
    names = [name for name in names if not _is_truth(name) or _ever(groups, name)]
    truths = [name for name in names if _is_truth(name)]
    numbers = [name for name in names if not _is_truth(name) and _first(name) != RADIUS]
    panels: list[Panel] = []
    for name in (*truths, *numbers):
        found = {
            label: over_runs(steps, [_mean(run, name, steps) for run in runs])
            for label, runs in groups.items()
            if name in _recorded(runs)
        }
        limits = {threshold(run, name) for label in found for run in groups[label]}
        limit = limits.pop() if len(limits) == 1 else None
        title = _in_words(name)
        unit = "share of steps" if name in truths else f"{name}, mean over a chunk of steps"
        label = "threshold"
        panels += panel(title.capitalize(), unit, found, limit, limit_label=label)
    if not panels:
        return []
    caption = (
        "What the triggers of the interventions recorded: means over the steps of a chunk. A "
        "condition alone need not step in where it is combined with others. Dashed: the threshold "
        f"with which a quantity is compared, where all runs have the same. {interval_of(groups)}"
    )
    table = _compared(groups, names)
    return [Charts(panels, caption.strip()), *([table] if table else [])]


def threshold(run: Run, name: str) -> float | None:
    """What a quantity of this run is compared with; None where that is not recorded."""
    settings = mapping(run.settings.get("run"))
    values: dict[str, Any] = {
        "prior_advantage": mapping(settings.get("safety") or settings.get("near")).get("threshold"),
        "predicted_cost": mapping(run.summary).get("takeover_cost"),
    }
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else None


def calibration(groups: Groups, scope: Scope) -> list[Block]:
    """What guides predicted against what was observed, a chart a method that asks a critic."""
    steps, panels = grid(scope.steps, POINTS), []
    for label, runs in groups.items():
        asked = [run for run in runs if "predicted_cost" in _recorded([run])]
        rates = [_discount(run) for run in asked]
        if not asked or None in rates:
            continue
        predicted = [_mean(run, "predicted_cost", steps) for run in asked]
        observed = [
            rate(run, "cost", steps, scope.window) / 1_000 / (1 - discount)
            for run, discount in zip(asked, rates, strict=True)
            if discount is not None
        ]
        found = {"predicted": over_runs(steps, predicted), "observed": over_runs(steps, observed)}
        panels += panel(label, "cost, discounted", found, None, offered=True)
    if not panels:
        return []
    caption = (
        "Predicted: the discounted cost that the guide's critic expects of the actions that the "
        "learner proposes, mean over a chunk. Observed: cost per step ÷ (1 − γ), which is the "
        f"discounted cost of going on as in the last {scope.window:,.0f} steps. Actions that are "
        "predicted to cost too much are replaced, so observed costs should lie below."
    )
    return [Charts(panels, caption)]


def right(groups: Groups) -> list[Block]:
    """Checks against the truth, in environments that know it; nothing elsewhere."""
    words = {
        "state_check_precision": "near unsafe: of warnings, right",
        "state_check_recall": "of unsafe states, warned",
        "action_check_precision": "action: of warnings, right",
        "action_check_recall": "of unsafe actions, warned",
    }
    rows: list[list[Cell]] = []
    for label, runs in groups.items():
        found = [mapping(run.summary) for run in runs]
        values = [np.array([_number(one.get(name)) for one in found]) for name in words]
        if any(np.isfinite(own).any() and np.nanmax(own) > 0 for own in values):
            rows.append([label, *map(over_seeds, values)])
    caption = (
        "Were the checks right? The environment knows which actions lead into lava. An action "
        "check warns rightly where the proposed action would have; a state check where some action "
        "would. The rest are needless warnings."
    )
    return [Table(["method", *words.values()], rows, caption)] if rows else []


def _compared(groups: Groups, names: Sequence[str]) -> Table | None:
    """A row a method and quantity: its mean, its threshold, and how often the condition held."""
    rows: list[list[Cell]] = []
    for label, runs in groups.items():
        for name in names:
            if name not in _recorded(runs) or _first(name) == RADIUS or name in _decided(runs):
                continue
            condition, side = FIRES.get(name, (name if _is_truth(name) else "", ""))
            with_what = _thresholds(runs, name)
            rows.append(
                [label, _in_words(name),
                 None if _is_truth(name) else over_seeds(_whole(runs, name)),
                 side if with_what is not None else "", with_what,
                 over_seeds(_whole(runs, condition)) if condition else None]
            )  # fmt: skip
    columns = ["method", "what triggers saw", "mean", "fires", "threshold", "held, share of steps"]
    caption = "Means over whole runs. Quantities stand beside what they were compared with."
    return Table(columns, rows, caption, digits=3) if rows else None


def _first(name: str) -> str:
    """The name without the number that a second condition of a class has (`predicate_2`)."""
    first, _, number = name.rpartition("_")
    known = first in CONDITIONS or first in QUANTITIES or first == RADIUS
    return first if known and number.isdecimal() else name


def _is_truth(name: str) -> bool:
    return _first(name) in CONDITIONS


def _in_words(name: str) -> str:
    """What triggers record, in words, numbered as its name is."""
    first = _first(name)
    words = CONDITIONS.get(first) or QUANTITIES.get(first)
    if words is None:
        return name.replace("_", " ")
    return f"{words}{name.removeprefix(first).replace('_', ' ')}"


def _decided(runs: Sequence[Run]) -> set[str]:
    """Conditions that stand in the row of the quantity that decides them."""
    return {FIRES[name][0] for name in _recorded(runs) if name in FIRES}


def _thresholds(runs: Sequence[Run], name: str) -> Cell:
    if name == "distance":
        return over_seeds(_whole(runs, RADIUS))
    known = [value for run in runs if (value := threshold(run, name)) is not None]
    return over_seeds(np.array(known)) if known else None


def _recorded(runs: Sequence[Run]) -> list[str]:
    """Names of what triggers recorded in any of these runs."""
    columns = dict.fromkeys(name for run in runs for name in run.progress)
    return [name.removeprefix(COLUMN) for name in columns if name.startswith(COLUMN)]


def _ever(groups: Mapping[str, Sequence[Run]], name: str) -> bool:
    values = [run.progress.get(COLUMN + name, ()) for runs in groups.values() for run in runs]
    return any(len(own) and np.nan_to_num(own).any() for own in values)


def _mean(run: Run, name: str, steps: np.ndarray) -> np.ndarray:
    """A recorded mean at each of `steps`: that of the chunk in which it lies."""
    values = run.progress.get(COLUMN + name)
    if values is None or not len(values):
        return np.full(len(steps), np.nan)
    place = np.searchsorted(run.progress["step"], steps)
    inside = place < len(values)
    return np.where(inside, values[np.minimum(place, len(values) - 1)], np.nan)


def _whole(runs: Sequence[Run], name: str) -> np.ndarray:
    """The mean over each whole run, chunks weighted by their steps; NaN where there is none."""
    found = []
    for run in runs:
        values = np.asarray(run.progress.get(COLUMN + name, ()), np.float64)
        lengths = np.diff(run.progress.get("step", np.zeros(0)), prepend=0.0)[: len(values)]
        known = np.isfinite(values)
        weight = lengths[known].sum()
        found.append(float((values[known] * lengths[known]).sum() / weight) if weight else np.nan)
    return np.array(found)


def _discount(run: Run) -> float | None:
    value = mapping(mapping(run.settings.get("run")).get("learning")).get("discount")
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
