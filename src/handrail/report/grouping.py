"""Runs of folders, put together: by environment, and there by method, one run a seed."""

import json
from collections.abc import Sequence
from typing import Any

from handrail.core.recorded import PASSED, mapping
from handrail.experiments.schema import flat
from handrail.report.runs import Run

SEEDS = ("seed", "run.seed")
APART = ("needs", PASSED)  # differ from seed to seed, or are known by digests alone
MOST_TOLD = 3  # settings in a label
KNOWLEDGE = ("guide", "prior", "encoder", "expert")  # in the purposes of runs that acquire some
UNKNOWN = "environment not recorded"


def by_environment(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each environment, in their order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(environment_of(run), []).append(run)
    return found


def environment_of(run: Run) -> str:
    """The name of a run's environment, as far as its folder says it.

    With what was acquired where a run is no student's: a guide in its source does something else.
    """
    passed = mapping(run.settings.get(PASSED))
    places = (
        mapping(run.settings.get("run")).get("environment"),
        run.settings.get("environment"),
        _named(passed.get("environment")),
    )
    name = next((place for place in places if isinstance(place, str) and place), UNKNOWN)
    purpose = str(run.settings.get("purpose", ""))
    acquired = [kind for kind in KNOWLEDGE if kind in purpose]
    return f"{name}, {acquired[0]}" if acquired else name


def by_method(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that differ in nothing but their seed share a label, which says what sets them apart.

    A label is the method (or what the run was for), then settings in which groups of the same
    method differ; where that is not enough, the folder's name.
    """
    alike: dict[str, list[Run]] = {}
    for run in runs:
        alike.setdefault(_identity(run), []).append(run)
    groups = list(alike.values())
    labels = [_label(own[0], [other[0] for other in groups]) for own in groups]
    unique = [
        label if labels.count(label) == 1 else f"{label} ({own[0].folder.name})"
        for label, own in zip(labels, groups, strict=True)
    ]
    found: dict[str, list[Run]] = {}
    for label, own in zip(unique, groups, strict=True):
        found[label if label not in found else f"{label} #{len(found) + 1}"] = own
    return found


def method_of(run: Run) -> str:
    """What learnt in a run, in a word: its method, or what it was for, or its folder's name."""
    settings = run.settings
    method = mapping(settings.get("run")).get("method") or settings.get("method")
    if isinstance(method, str) and settings.get("purpose") != "own guide":
        return method
    purpose = settings.get("purpose")
    return purpose.removeprefix("own ") if isinstance(purpose, str) else run.folder.name


def _settings(run: Run) -> dict[str, Any]:
    """The settings of a run by dotted name, without those that differ from seed to seed."""
    kept = {name: value for name, value in run.settings.items() if name not in APART}
    return {name: value for name, value in flat(kept).items() if name not in SEEDS}


def _identity(run: Run) -> str:
    if not run.settings:
        return str(run.folder)  # nothing is known of it, so it is like no other
    return json.dumps([method_of(run), _settings(run)], sort_keys=True, default=str)


def _label(run: Run, others: Sequence[Run]) -> str:
    method = method_of(run)
    same = [_settings(other) for other in others if method_of(other) == method]
    own = _settings(run)
    told = [
        name for name in own if name != "run.method"
        and any(other.get(name) != own[name] for other in same)
    ]  # fmt: skip
    if not told or len(told) > MOST_TOLD:
        return method
    return ", ".join([method, *(f"{name.rpartition('.')[2]} {own[name]}" for name in told)])


def _named(described: Any) -> str | None:
    """The name in a description of `handrail.core.identity`."""
    given = mapping(described).get("given", described)
    if isinstance(given, str):
        return given
    names = [mapping(given).get(kind) for kind in ("class", "function")]
    return next((name for name in names if isinstance(name, str)), None)
