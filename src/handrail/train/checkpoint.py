"""Checkpoints: the whole state of a run, written atomically, the newest usable one read."""

import dataclasses
import logging
import os
from pathlib import Path
from typing import Any, TypeVar

from handrail.core.artifact import Card, fill, load, save
from handrail.core.errors import HandrailError
from handrail.core.plain_text import message
from handrail.core.records import rows_until, sync

Tree = TypeVar("Tree")
LOG = logging.getLogger(__name__)
KEPT = 2
SECONDS_VARIABLE = "HANDRAIL_CHECKPOINT_SECONDS"
KEPT_VARIABLE = "HANDRAIL_CHECKPOINTS"


@dataclasses.dataclass(frozen=True)
class Saving:
    """How often a run saves its state, and how many states are kept. Changes no result."""

    seconds: float
    """Between two checkpoints."""
    kept: int = KEPT
    """The newest ones, at least one; a damaged one falls back to the one before."""


def chosen_saving(seconds: float) -> Saving:
    """`seconds` and two checkpoints, unless environment variables say otherwise.

    Variables and not settings, since they reach every worker and no result depends on them.
    """
    kept = _number(KEPT_VARIABLE, KEPT, int, "a whole number of at least 1")
    seconds = _number(SECONDS_VARIABLE, seconds, float, "a number of at least 0")
    if kept < 1 or not seconds >= 0:
        name, value = (KEPT_VARIABLE, kept) if kept < 1 else (SECONDS_VARIABLE, seconds)
        raise HandrailError(f"{name} is {value}: expected at least {int(kept < 1)}")
    return Saving(seconds, kept)


def _number(name, default, kind, expected):
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        return kind(text)
    except ValueError:
        raise HandrailError(f"{name} is {text!r}: expected {expected}") from None


def save_checkpoint(
    folder: Path, state: Tree, *, step: int, settings: str, wall: float, kept: int = KEPT
) -> Path:
    """Writes the state at `step`, reached after `wall` seconds; keeps the newest `kept`.

    How many rows the folder's tables have by then is recorded, once they are on the disk.
    Checkpoints of later steps, which were passed over, are removed. Returns the file.
    """
    sync(folder)
    card = Card(
        "checkpoint",
        spec={"settings": settings},
        network={},
        training={"step": step, "wall_s": wall, "rows": rows_until(folder, step)},
    )
    path = _path(folder, step)
    save(path, card, state)
    every = _all(folder)
    until = [one for one in every if one.name <= path.name][-kept:]
    for old in set(every) - set(until):
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(
    folder: Path, template: Tree, *, settings: str
) -> tuple[int, float, Tree] | None:
    """Step, seconds and state of the newest checkpoint that can be gone on from, or None.

    One that is damaged (a kill while writing, a full disk), or for which rows of the folder's
    tables are missing (a power cut), is passed over for the one before it, with a warning; one
    that belongs to other settings is an error.
    """
    passed = False
    for path in reversed(_all(folder)):
        try:
            card, arrays = load(path, expect="checkpoint")
            step, wall = _reached(card.training)
            _check_rows(folder, step, card.training.get("rows"))
        except HandrailError as error:
            LOG.warning("%s is passed over: %s", message(path), message(error))
            passed = True
            continue
        if card.spec.get("settings") != settings:
            raise HandrailError(
                f"{path} belongs to a run with other settings; choose another output folder, "
                "or repeat the command with the settings of that run"
            )
        return step, wall, fill(template, arrays, source=str(path))
    if passed:
        LOG.warning("%s has no checkpoint that can be used: it begins again", message(folder))
    return None


def clear_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a finished run."""
    for path in _all(folder):
        path.unlink(missing_ok=True)


def _reached(said: dict[str, Any]) -> tuple[int, float]:
    """The step and the seconds of a checkpoint."""
    step, wall = said.get("step"), said.get("wall_s")
    if type(step) is not int or not isinstance(wall, int | float):
        raise HandrailError(f"its card has step {step!r} and wall_s {wall!r}, expected numbers")
    return step, float(wall)


def _check_rows(folder: Path, step: int, expected: Any) -> None:
    """Refuses tables that lack rows which a checkpoint's run had; earlier versions say none."""
    found = rows_until(folder, step)
    for name, count in expected.items() if isinstance(expected, dict) else ():
        if found.get(name, 0) != count:
            raise HandrailError(
                f"{folder / name} has {found.get(name, 0):,} whole rows up to step {step:,}, and "
                f"had {count!r}"
            )


def _path(folder: Path, step: int) -> Path:
    return folder / "checkpoints" / f"step-{step:010d}.safetensors"


def _all(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("step-*.safetensors"))
