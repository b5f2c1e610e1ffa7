"""The folder of a run: whose it is, and what was asked of the run that it holds."""

import contextlib
import datetime
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.files import is_temporary, read_json, sweep, write_json
from handrail.core.recorded import MOST_NAMED, compare
from handrail.core.renamed import migrated

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Keeps a second process out of the folder."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")
    except OSError as error:
        raise HandrailError(f"cannot write into {folder}: {error.strerror or error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HandrailError(
                f"{folder} is in use by another handrail process; choose another output folder"
            ) from None
        yield


def claim(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The folder's settings: those that it was begun with, if they are these, or these.

    What cannot be compared is named in the log.
    """
    path = folder / "run.json"
    if not path.exists():
        write_json(path, settings)
        return settings
    recorded = read_json(path)
    found = compare(migrated(recorded, str(path)), json.loads(json.dumps(settings)))
    if found.differing:
        grown = [each.name for each in found.differing] in (["steps"], ["run.steps"])
        why = (
            "a run cannot grow, since its schedules and its memory are made for its steps, and a "
            "finished one keeps no state to go on from: give initial=FOLDER/policy.safetensors to "
            "go on from its policy; "
        )
        raise HandrailError(
            f"{folder} holds a run with other settings (see {path}): {found}; "
            f"{why if grown else ''}choose another output folder"
        )
    if found.unknown:
        summary = folder / "summary.json"
        done = "finished" if summary.exists() else "unfinished"
        when = datetime.date.fromtimestamp((summary if summary.exists() else path).stat().st_mtime)
        LOG.warning(
            "%s: %s run of %s, not compared in %s",
            folder, done, when, ", ".join(found.unknown[:MOST_NAMED]),
        )  # fmt: skip
    return recorded


def refuse_foreign(folder: Path) -> None:
    """Refuses a folder of other files; those that a run killed at once leaves are its own."""
    if not folder.is_dir() or (folder / "run.json").exists():
        return
    others = [
        entry.name
        for entry in folder.iterdir()
        if entry.name != ".lock" and not is_temporary(entry.name, "run.json")
    ]
    if others:
        raise HandrailError(
            f"{folder} is not empty ({', '.join(sorted(others)[:3])}) and holds no handrail run; "
            "choose another output folder"
        )


def sweep_leftovers(folder: Path) -> None:
    """Removes the temporary files of writers that were killed; the folder is ours by now."""
    sweep(folder)
    sweep(folder / "checkpoints")
