"""Following runs from the command line: while they are computed, and afterwards."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.tracking.base import OpenSink
from handrail.tracking.tracker import Tracker, run_folders

EVERY = 2.0  # seconds between two looks at the tables


def make_tracker(logdir: Path | None, project: str | None) -> Tracker | None:
    """Event files at `logdir` and runs of a W&B `project`; None if neither is wanted."""
    openers: list[OpenSink] = []
    if logdir is not None:
        from handrail.tracking.tensorboard import event_files

        openers.append(event_files(logdir))
    if project is not None:
        from handrail.tracking.wandb_sink import wandb_runs

        openers.append(wandb_runs(project))
    return Tracker(openers) if openers else None


def seldom(action: Callable[[], None], *, clock: Callable[[], float] = time.monotonic):
    """The action, done at most every `EVERY` seconds however often it is asked for."""
    last = [-EVERY]

    def asked() -> None:
        if clock() - last[0] >= EVERY:
            last[0] = clock()
            action()

    return asked


def show(
    paths: Sequence[Path],
    *,
    logdir: Path,
    project: str | None = None,
    follow: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Writes what runs at or below `paths` have recorded; returns their folders.

    With `follow`, goes on until all of them have finished.
    """
    folders = run_folders(paths)
    _different(folders)
    tracker = make_tracker(logdir, project)
    assert tracker is not None  # there is a logdir
    try:
        tracker.poll(folders)
        while follow and not tracker.all_ended(folders):
            wait(EVERY)
            tracker.poll(folders)
    finally:
        tracker.close()
    return folders


def _different(folders: Iterable[Path]) -> None:
    seen: dict[str, Path] = {}
    for folder in folders:
        other = seen.setdefault(folder.resolve().name, folder)
        if other is not folder:
            raise HandrailError(
                f"{other} and {folder} have the same name, under which their curves would be "
                "mixed up; name them in two commands with different --logdir"
            )
