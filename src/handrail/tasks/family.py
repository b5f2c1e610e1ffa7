"""What the project asks of a family of tasks: the only place that depends on names of tasks."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.changes import Changes
from handrail.envs.transfer import TransferProblem
from handrail.methods.method import Method
from handrail.train.course import Coursed
from handrail.train.rollout.recorded import RecordedEpisode

Report = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""
Files = Mapping[str, Path]
"""Files of knowledge, by kind."""


def grouped(
    settings: Mapping[str, Any], kinds: Iterable[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A row's dotted settings: those of the run, and by kind of knowledge those of that kind.

    A setting of the run may say so (`run.steps` is `steps`).
    """
    run: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
    for name, value in settings.items():
        kind, _, rest = name.partition(".")
        if rest and kind in groups:
            groups[kind][rest] = value
        else:
            run[rest if rest and kind == "run" else name] = value
    return run, groups


def each_seed(given: dict[str, Any], name: str) -> bool:
    """Whether each seed acquires its own, or all share seed 0's: takes `name` out of the settings
    of a run, which says "each" (the default) or "one".
    """
    shared = given.pop(name, "each")
    if shared not in ("each", "one"):
        raise HandrailError(f"{name} is {shared!r}: expected 'each' (seed) or 'one' (for all)")
    return shared == "each"


@dataclasses.dataclass(frozen=True)
class Row:
    """The settings of a run, resolved, and of the knowledge that it brings along."""

    run: Any
    """Frozen settings with at least `environment`, `method`, `seed` and `steps`."""
    knowledge: Mapping[str, Any]
    """Settings of what has to be acquired before the run, by kind."""
    recorded: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What `run.json` says beside `run` and `needs`."""


@dataclasses.dataclass(frozen=True)
class TransferTask:
    """What `handrail check-transfer` asks of a task."""

    problem: TransferProblem
    """Freshly built: its source, its target and the view between them."""
    robot: str
    """What acts: another one does something else with the same actions."""
    limit: float
    """On the expected undiscounted cost of an episode of the target."""
    harm: float
    """What one step of harm costs."""


@dataclasses.dataclass(frozen=True)
class Family:
    """Tasks that the same methods run on."""

    name: str
    environments: tuple[str, ...]
    """Names for lists."""
    knows: Callable[[str], bool]
    """Whether an environment is one of the family's, by its name."""
    look: Callable[[str, int], object]
    """Refuses an environment that cannot be trained in, quickly; with the seed of its layout."""
    methods: Mapping[str, Method]
    defaults: Mapping[str, Any]
    """Settings of `handrail train` where none is given; these alone may be given there."""
    kinds: tuple[str, ...]
    """Kinds of knowledge that a file may bring."""
    prefix: str
    """What the names of its environments have in common, which pictures leave out."""
    run_type: Callable[[str], type]
    """(method) → of a run's settings."""
    resolve: Callable[[Mapping[str, Any]], Row]
    """From dotted settings; raises `HandrailError`."""
    run_name: Callable[[Any], str]
    """The beginning of a run's folder name, from its settings."""
    knowledge_name: Callable[[str, Any], str]
    """The beginning of the folder name of knowledge, from its kind and settings."""
    label: Callable[[str, Any], str]
    """What progress and errors call the acquiring of knowledge."""
    acquire: Coursed[..., None]
    """(kind, settings, folder, report): acquires knowledge; `report(what, step, total)`."""
    check: Callable[[Any, Files], object]
    """Refuses settings of a run that do not fit, before anything is computed; files may not exist
    yet."""
    train: Coursed[..., dict[str, Any]]
    """(run, files of knowledge, folder, recorded, report): trains a run, known by what is recorded;
    returns the summary. `report(step, total)`."""
    evaluate: Callable[[Any, Path, int, int, Changes], dict[str, Any]]
    """Tests a finished run's own policy: settings, its file, episodes, seed, how the world is
    changed."""
    record: Callable[[Any, Path, Files, int, int, bool], list[RecordedEpisode]]
    """Episodes of a finished run's policy: settings, its file, files of knowledge, episodes, seed;
    whether it acts as in training, under its method's intervention, or alone as in a test."""
    shielded: Callable[[Any, Files, Path, int, int, Changes], dict[str, Any]]
    """Tests it together with the run's intervention: settings, files of its knowledge, the policy's
    file, episodes, seed, how the world is changed."""
    named_code: Callable[[Any], Mapping[str, Any]] = lambda settings: {}
    """The description of code that settings of a run or of knowledge name, as `run.json` keeps it
    under `passed`; empty where they name none."""
    suits: Callable[[Any, Mapping[str, Any]], None] = lambda run, knowledge: None
    """Refuses settings of knowledge, by kind, that a run is to acquire and that would not fit it,
    before anything is computed."""
    triggers: Callable[[Any, Files, Path | None, int, int, int], list[dict[str, Any]]] | None = None
    """How right triggers are: settings of a run, files of its knowledge, the policy's file (None:
    random actions drive), episodes, seed, steps within which harm has to follow. None where no
    trigger foresees harm that the environment reports later."""
    notes: Callable[[Row, Files], list[str]] = lambda row, files: []
    """What whoever begins a run may not expect of the knowledge that no file brings, in words."""
    warnings: Callable[[Any, Files], list[str]] = lambda run, files: []
    """What speaks against the knowledge of a run, in words."""
    beside: Callable[[Any, Files], list[Path]] = lambda run, files: []
    """Files that lie beside those of the knowledge and decide about the run, too."""
    left_beside: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By kind of knowledge, names of further files that others may need."""
    report: Callable[[Collection[Any]], str] = lambda methods: "learning"
    """(methods) → the report of an experiment of these that names none."""
    packages: tuple[str, ...] = ()
    """What its tasks come from, for reports."""
    completed: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    """The settings of `handrail train`, with those that follow from others."""
    required: Callable[[str], Mapping[str, Any]] = lambda method: {}
    """(method) → settings that every run of it has to give, with an example of each."""
    names_code: bool = False
    """Whether its environments' names are code to be imported, which a run from others must not
    choose: whoever goes on with a finished run says the name again."""
    transfer: Callable[[str], TransferTask] | None = None
    """A task as a transfer problem, by its name; None where no guide is learnt in a source."""
    compiles: Callable[[str], bool] = lambda environment: True
    """Whether an environment is compiled into one program with its learner; else it is stepped on
    the host."""
    on_host: bool = False
    """Whether some of its tasks run on the host."""
