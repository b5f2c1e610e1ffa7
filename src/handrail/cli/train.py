"""What `handrail train` does, with and without `--resume`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.experiments import launch
from handrail.experiments.progress import ProgressBars
from handrail.experiments.schema import flat
from handrail.tasks.registry import family_of, with_defaults


def train_one(
    settings: Mapping[str, Any],
    *,
    assignments: Sequence[str] = (),
    files: Mapping[str, Path | None],
    knowledge_folder: Path,
    out: Path,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Acquires the knowledge that is missing, trains, and returns the summary.

    `settings` that are None take the defaults of the environment's family, and so do files, by
    kind of knowledge. `progress()` is called whenever the tables of the run have grown.
    """
    own = assigned(assignments)
    chosen = {**with_defaults({**settings, **own}, files), **own}
    row = family_of(chosen["environment"]).resolve(chosen)
    with ProgressBars() as steps:
        return launch.train(
            row,
            files={kind: path for kind, path in files.items() if path is not None},
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
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Continues the run in `folder` to its end and returns the summary."""
    with ProgressBars() as steps:
        return launch.resume(
            folder,
            knowledge_folder=knowledge_folder,
            files={kind: path for kind, path in files.items() if path is not None},
            report=_both(steps, progress),
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


def _both(steps: ProgressBars, progress: Callable[[], None]) -> launch.Report:
    def report(what: str, step: int, total: int) -> None:
        steps(what, step, total)
        if what == "training":
            progress()

    return report
