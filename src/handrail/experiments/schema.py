"""An experiment is data: a TOML file that names variants, environments, budgets and figures."""

import dataclasses
import itertools
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from handrail.core.code_digest import digest_of
from handrail.core.errors import HandrailError, UnknownName
from handrail.core.renamed import warn_once
from handrail.core.splits import first_test_seeds, is_test_seed, test_seeds
from handrail.tasks.family import Family
from handrail.tasks.registry import family_of


@dataclasses.dataclass(frozen=True)
class Budget:
    """How long and how often."""

    seeds: tuple[int, ...]
    """Seeds of the runs; `--seeds N` takes the first N. A file gives a list, or how many test seeds
    (`test_seeds = 10`)."""
    overrides: Mapping[str, Any]
    """Settings of this budget, by dotted name (`steps`, `knowledge.prior_steps`, …)."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table or a figure of a paper, or a question of our own."""

    name: str
    title: str
    question: str
    source: str
    """Paper, equation or figure; empty for our own questions."""
    report: str
    """Which report is made of what has been computed."""
    runs: bool
    """Whether agents are trained; if not, only the knowledge is acquired and looked at."""
    base: Mapping[str, Any]
    """Settings common to all rows, by dotted name."""
    variants: Mapping[str, Mapping[str, Any]]
    """By label: the settings in which a variant differs."""
    environments: tuple[str, ...]
    budgets: Mapping[str, Budget]
    published: Mapping[str, Mapping[str, Mapping[str, float]]]
    """`published[quantity][label][environment]`; a label that is no variant was run by others."""
    published_from: str
    """Where published values are from, and what they are; a sentence or two for the report."""


@dataclasses.dataclass(frozen=True)
class ExperimentRow:
    """One run of an experiment."""

    variant: str
    environment: str
    seed: int
    settings: Mapping[str, Any]
    """Dotted name → value."""


@dataclasses.dataclass(frozen=True)
class Portion:
    """How much of an experiment is run: at which budget, with how many seeds, what of it."""

    budget: str = "quick"
    """Of an experiment that has one budget alone, `quick` is that one."""
    seeds: int | None = None
    """How many; by default the budget's."""
    variants: tuple[str, ...] = ()
    """Labels; all if there are none."""
    environments: tuple[str, ...] = ()
    """Names; all if there are none."""

    @property
    def part(self) -> bool:
        """Whether variants or environments are left out."""
        return bool(self.variants or self.environments)

    def command(self, name: str) -> str:
        """What runs this portion of the experiment of that name."""
        options = [f"--budget {self.budget}"]
        if self.seeds is not None:
            options.append(f"--seeds {self.seeds}")
        if self.variants:
            options.append(f"--variants {shlex.join(self.variants)}")
        if self.environments:
            options.append(f"--environments {shlex.join(self.environments)}")
        return f"handrail reproduce {name} {' '.join(options)}"


WHOLE = Portion()
"""Everything of an experiment, at the budget of its quick impression."""
FIELDS = frozenset(
    "title question source report runs base variants environments budgets published "
    "published_from".split()
)
REPORTS = frozenset(
    "learning bars sweep heatmap embedding appearance navigation parameter-sweep coverage "
    "robustness".split()
)
"""Kinds of report; `handrail.report.experiment` makes them."""
OF_ROWS = ("environment", "seed")
"""Settings that tell the rows of an experiment apart, so that no table may set them."""
OF_RUNS = {"parameter-sweep": "navigation", "sweep": "bars"}
"""By reports that need all variants: the report of the same runs that does not."""
FOLDER = resources.files("handrail.experiments") / "files"


def names() -> list[str]:
    """The experiments that come with handrail."""
    return sorted(entry.name.removesuffix(".toml") for entry in FOLDER.iterdir())


def read(name: str) -> Experiment:
    """An experiment by name, or from a file ending in `.toml`."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise HandrailError(f"{name} does not exist; expected an experiment file (.toml)")
        raise UnknownName("experiment", name, names())
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandrailError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # also of UTF-8 and of numbers
        raise HandrailError(f"{path}: not valid TOML: {error}") from None
    return _experiment(Path(path.name).stem, values, str(path))


def only(
    experiment: Experiment, labels: Sequence[str] = (), environments: Sequence[str] = ()
) -> Experiment:
    """The experiment with these of its variants and environments alone, in its own order.

    All of those of which none is named. A report over the values of a setting becomes one of the
    runs where variants are left out. Raises `UnknownName`.
    """
    for name in environments:
        if name not in experiment.environments:
            where = f"environment of {experiment.name}"
            raise UnknownName(where, name, experiment.environments)
    if environments:
        kept = tuple(name for name in experiment.environments if name in environments)
        experiment = dataclasses.replace(experiment, environments=kept)
    for label in labels:
        if label not in experiment.variants:
            raise UnknownName(f"variant of {experiment.name}", label, experiment.variants)
    chosen = {key: own for key, own in experiment.variants.items() if key in labels}
    if len(chosen) in (0, len(experiment.variants)):
        return experiment
    report = OF_RUNS.get(experiment.report, experiment.report)
    left_out = experiment.variants.keys() - chosen.keys()
    published = {
        quantity: {label: values for label, values in found.items() if label not in left_out}
        for quantity, found in experiment.published.items()
    }
    return dataclasses.replace(experiment, variants=chosen, published=published, report=report)


def rows(experiment: Experiment, budget: str, seeds: int | None = None) -> Iterator[ExperimentRow]:
    """Every run of the experiment at a budget; seeds outermost, so early results cover all."""
    chosen = budget_of(experiment, budget, seeds)
    points = itertools.product(chosen.seeds, experiment.environments, experiment.variants.items())
    for seed, environment, (label, own) in points:
        settings = {**experiment.base, **chosen.overrides, **own}
        settings |= {"environment": environment, "seed": seed}
        yield ExperimentRow(label, environment, seed, settings)


def budget_of(experiment: Experiment, name: str, seeds: int | None = None) -> Budget:
    """A budget of the experiment, cut to its first `seeds` seeds."""
    if name not in experiment.budgets:
        raise UnknownName("budget", name, experiment.budgets)
    budget = experiment.budgets[name]
    if seeds is None:
        return budget
    if seeds < 1:
        raise HandrailError(f"seeds is {seeds}: expected at least 1")
    more = test_seeds() if is_test_seed(budget.seeds[0]) else itertools.count(2001)
    fresh = (seed for seed in more if seed not in budget.seeds)
    pool = itertools.chain(budget.seeds, fresh)
    return dataclasses.replace(budget, seeds=tuple(itertools.islice(pool, seeds)))


def digest(settings: Any) -> str:
    """A short name for settings: equal settings, equal name."""
    return digest_of(settings)[:10]


def _experiment(name: str, values: dict[str, Any], path: str) -> Experiment:
    foreign, missing = values.keys() - FIELDS, {"title", "variants", "budgets"} - values.keys()
    if foreign or missing:
        raise HandrailError(
            f"{path}: unknown entries {sorted(foreign) or 'none'}, missing entries "
            f"{sorted(missing) or 'none'}; an experiment has {sorted(FIELDS)}"
        )
    for entry in ("base", "variants", "budgets", "published"):
        if not isinstance(values.get(entry, {}), Mapping):
            raise HandrailError(f"{path}: {entry} is {values[entry]!r}: expected a table")
    for entry in ("title", "question", "source", "report", "published_from"):
        if not isinstance(values.get(entry, ""), str):
            raise HandrailError(f"{path}: {entry} is {values[entry]!r}: expected text")
    if not isinstance(values.get("runs", True), bool):
        raise HandrailError(f"{path}: runs is {values['runs']!r}: expected true or false")
    named = values.get("environments", [])
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise HandrailError(f"{path}: environments is {named!r}: expected a list of names")
    _refuse_twice(named, f"{path}: environments")
    _check_published(values.get("published", {}), path)
    budgets = {}
    for key, entry in values["budgets"].items():
        if not isinstance(entry, Mapping):
            raise HandrailError(f"{path}: budget {key!r} is {entry!r}: expected a table")
        settings = {k: v for k, v in entry.items() if k not in ("seeds", "test_seeds")}
        what = f"{path}: budget {key!r}"
        budgets[key] = Budget(_seeds(entry, what), _settings(settings, what))
    for label, own in values["variants"].items():
        if not isinstance(own, Mapping):
            raise HandrailError(f"{path}: variant {label!r} is {own!r}: expected a table")
    rows = [values.get("base", {}), *values["variants"].values()]
    return Experiment(
        name=name,
        title=values["title"],
        question=values.get("question", ""),
        source=values.get("source", ""),
        report=_kind(values.get("report") or _default_report(named, rows), path),
        runs=values.get("runs", True),
        base=_settings(values.get("base", {}), f"{path}: base"),
        variants={
            label: _settings(own, f"{path}: variant {label!r}")
            for label, own in values["variants"].items()
        },
        environments=tuple(values.get("environments", ())),
        budgets=budgets,
        published=values.get("published", {}),
        published_from=values.get("published_from", ""),
    )


def _seeds(budget: Mapping[str, Any], what: str) -> tuple[int, ...]:
    """The seeds that a budget lists, or as many test seeds as it asks for."""
    given, count = budget.get("seeds"), budget.get("test_seeds")
    if (given is None) == (count is None):
        raise HandrailError(f"{what} needs either seeds (a list) or test_seeds (how many)")
    if count is not None:
        if type(count) is not int or count < 1:
            raise HandrailError(f"{what}: test_seeds is {count!r}: expected a whole number ≥ 1")
        return first_test_seeds(count)
    if not isinstance(given, list) or not given or not all(type(s) is int for s in given):
        raise HandrailError(f"{what}: seeds is {given!r}: expected a list of whole numbers")
    _refuse_twice(given, f"{what}: seeds")
    return tuple(given)


def _settings(table: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A table's settings by dotted name. Raises `HandrailError` for those that rows set."""
    settings = flat(table)
    for name, value in settings.items():
        own = name.removeprefix("run.")
        if own in OF_ROWS:
            place = "environments" if own == "environment" else "seeds of a budget"
            raise HandrailError(
                f"{what} sets {name} to {value!r}: every row has its own {own}, expected in "
                f"the list {place}; take it out here and list it there"
            )
    return settings


def _refuse_twice(entries: Sequence[Any], what: str) -> None:
    """What is listed twice would count twice in means and intervals."""
    twice = list(dict.fromkeys(one for one in entries if entries.count(one) > 1))
    if twice:
        raise HandrailError(
            f"{what} lists {twice[0]!r} {entries.count(twice[0])} times: expected each once, "
            "since it would count as often in means and intervals; take the others out"
        )


def _check_published(published: Mapping[str, Any], path: str) -> None:
    """Raises `HandrailError` where it is no `published[quantity][label][environment]` number."""

    def refuse(name: str, value: Any, expected: str) -> None:
        raise HandrailError(
            f"{path}: {name} is {value!r}: expected {expected}, such as "
            '[published.return."a label"] with a line "an environment" = 5.0'
        )

    for quantity, labels in published.items():
        name = f"published.{quantity}"
        if not isinstance(labels, Mapping):
            refuse(name, labels, "a table of labels")
        for label, values in labels.items():
            own = f"{name}.{label}"
            if not isinstance(values, Mapping):
                refuse(own, values, "a table of environments")
            for environment, value in values.items():
                if type(value) not in (int, float):
                    refuse(f"{own}.{environment}", value, "a number")


def _default_report(environments: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> str:
    """That of the first environment's family, of the methods that these settings name; names that
    are unknown are refused elsewhere.
    """
    methods = {str(one["method"]) for one in settings if "method" in one}
    try:
        family = family_of(environments[0]) if environments else Family
        return family.report(methods)
    except HandrailError:
        return Family.report(methods)


def _kind(report: str, path: str) -> str:
    if report == "doses":
        warn_once("reports of the kind 'doses' are now called 'parameter-sweep'")
        return "parameter-sweep"
    if report not in REPORTS:
        raise HandrailError(
            f"{path}: report is {report!r}: expected one of {', '.join(sorted(REPORTS))}; "
            "choose one, or leave it out for that of the environments"
        )
    return report


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted names: `{"a": {"b": 1}}` is `{"a.b": 1}`."""
    result: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        result |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return result
