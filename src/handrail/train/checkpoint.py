"""Checkpoints: the whole state of a run, written atomically, the newest usable one read."""

from pathlib import Path
from typing import TypeVar

from handrail.artifact import Card, fill, load, save
from handrail.errors import HandrailError

Tree = TypeVar("Tree")
KEPT = 2


def save_checkpoint(folder: Path, state: Tree, *, step: int, settings: str, wall: float) -> None:
    """Writes the state at `step`, reached after `wall` seconds; keeps the newest two."""
    card = Card(
        "checkpoint",
        spec={"settings": settings},
        network={},
        training={"step": step, "wall_s": wall},
    )
    save(_path(folder, step), card, state)
    for old in _all(folder)[:-KEPT]:
        old.unlink(missing_ok=True)


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
