"""What `handrail train` does, with and without `--resume`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.experiments import launch
from handrail.experiments.progress import ProgressBars
from handrail.experiments.schema import flat
from handrail.knowledge import runs
from handrail.knowledge.catalog import located_files
from handrail.tasks.family import Family, Row
from handrail.tasks.registry import family_of, with_defaults


def train_one(
    settings: Mapping[str, Any],
    *,
    assignments: Sequence[str] = (),
    files: Mapping[str, Path | None],
    knowledge_folder: Path,
    out: Path,
    acquire: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Acquires the knowledge that neither a file brings nor the package, trains, and returns the
    summary.

    `settings` that are None take the defaults of the environment's family, and so do files, by
    kind of knowledge; a name of the package's knowledge may stand for a file. With `acquire`
    nothing of the package is used by itself. `progress()` is called whenever the tables of the run
    have grown.
    """
    own = assigned(assignments)
    files = located_files(files)
    chosen = {**with_defaults({**settings, **own}, files), **own}
    family = family_of(chosen["environment"])
    row = family.resolve(chosen)
    _refuse_idle(own, row, family, files)
    used = {} if acquire else runs.shipped_for(row, files, out)
    with ProgressBars() as steps:
        for one in used.values():
            steps.note(runs.sentence(one))
        for text in () if acquire else runs.unused(row, files, out):
            steps.note(text)
        for text in family.notes(row, files):
            steps.note(text)
        return launch.train(
            row,
            files={**{kind: one.file for kind, one in used.items()}, **files},
            knowledge_folder=knowledge_folder,
            out=out,
            report=_both(steps, progress),
            note=steps.note,
        )


def resume(
    folder: Path,
    *,
    knowledge_folder: Path,
    files: Mapping[str, Path | None],
    environment: str | None = None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Continues the run in `folder` to its end and returns the summary.

    An `environment` of the user's own is named again.
    """
    with ProgressBars() as steps:
        return launch.resume(
            folder,
            knowledge_folder=knowledge_folder,
            files=located_files(files),
            report=_both(steps, progress),
            environment=environment,
        )


def refuse_settings(given: Mapping[str, Any], command: Callable[..., Any]) -> None:
    """Refuses options that differ from the command's defaults: a run that exists has its own."""
    import inspect

    defaults = inspect.signature(command).parameters
    changed = [f"--{name}" for name, value in given.items() if value != defaults[name].default]
    if changed:
        raise HandrailError(
            f"{', '.join(changed)} cannot be given with --resume: the run keeps the settings it "
            "was begun with"
        )


def assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs as dotted names; values are JSON, or else text."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise HandrailError(
                f"setting {text!r}: expected name=value, such as learning.discount=0.97"
            )
        try:
            values[name] = json.loads(value)
        except (ValueError, RecursionError):  # also a number of too many digits
            values[name] = value
    return flat(values)


def _refuse_idle(
    own: Mapping[str, Any], row: Row, family: Family, files: Mapping[str, Path]
) -> None:
    """Refuses settings of knowledge that the run does not acquire, since nothing would read them.

    Experiments may say them: there a budget speaks of several methods.
    """
    for name, value in own.items():
        kind, _, rest = name.partition(".")
        if not rest or kind not in family.kinds:
            continue
        if kind in files:
            raise HandrailError(
                f"{name} is {value!r}, but --{kind} names a file, so that none is trained: leave "
                "one of them out"
            )
        if kind not in row.knowledge:
            raise HandrailError(
                f"{name} is {value!r}, but method {row.run.method!r} brings along "
                f"{' and '.join(row.knowledge) or 'nothing'}: leave it out"
            )


def _both(steps: ProgressBars, progress: Callable[[], None]) -> launch.Report:
    def report(what: str, step: int, total: int) -> None:
        steps(what, step, total)
        if what == "training":
            progress()

    return report
