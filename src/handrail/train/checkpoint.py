"""Checkpoints: the whole state of a run, written atomically, the newest usable one read."""

import dataclasses
import os
from pathlib import Path
from typing import TypeVar

from handrail.artifact import Card, fill, load, save
from handrail.errors import HandrailError

Tree = TypeVar("Tree")
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

    Returns the file.
    """
    card = Card(
        "checkpoint",
        spec={"settings": settings},
        network={},
        training={"step": step, "wall_s": wall},
    )
    save(_path(folder, step), card, state)
    for old in _all(folder)[:-kept]:
        old.unlink(missing_ok=True)
    return _path(folder, step)


def load_checkpoint(
    folder: Path, template: Tree, *, settings: str
) -> tuple[int, float, Tree] | None:
    """Step, seconds and state of the newest checkpoint that can be read, or None.

    One that is damaged (a kill while writing, a full disk) is passed over for the one before
    it; one that belongs to other settings is an error.
    """
    for path in reversed(_all(folder)):
        try:
            card, arrays = load(path, expect="checkpoint")
        except HandrailError:
            continue
        if card.spec.get("settings") != settings:
            raise HandrailError(
                f"{path} belongs to a run with other settings; choose another output folder, "
                "or repeat the command with the settings of that run"
            )
        return (
            card.training["step"],
            card.training["wall_s"],
            fill(template, arrays, source=str(path)),
        )
    return None


def clear_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a finished run."""
    for path in _all(folder):
        path.unlink(missing_ok=True)


def _path(folder: Path, step: int) -> Path:
    return folder / "checkpoints" / f"step-{step:010d}.safetensors"


def _all(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("step-*.safetensors"))
