"""Runs that are looked at after every epoch, and keep the best that they have come across."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.core.artifact import load, save
from handrail.core.records import BEST
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import AnyLoop
from handrail.train.run import Watch, execute

CHUNK_STEPS = 10_000  # of a run between two rows of its progress
CHECKPOINT_SECONDS = 120.0  # checkpoints hold the replay, some hundred megabytes
Report = Callable[[int, int], None]
"""Called as `report(step, total)`."""


@coursed
def run_by_epochs(
    loop: AnyLoop,
    folder: Path,
    recorded: dict[str, Any],
    settings: Any,
    *,
    seed: int,
    watch: Watch,
    summarise: Callable[[RunState], dict[str, Any]],
    report: Report,
    enough: Callable[[int], bool] = lambda step: False,
) -> Course[dict[str, Any]]:
    """`execute`, for settings with `steps` and `epoch`; `watch` and `enough` look at each epoch."""

    def at_epochs(step: int, state: RunState) -> None:
        if step % settings.epoch == 0:
            watch(step, state)

    return (
        yield from execute.course(
            loop,
            folder,
            recorded,
            seed=seed,
            summarise=summarise,
            watch=at_epochs,
            chunk_steps=chunk_steps(settings.epoch, loop.agent.train_every),
            report=lambda step, _: report(step, max(step, settings.steps)),
            enough=lambda step: step % settings.epoch == 0 and enough(step),
            checkpoint_seconds=CHECKPOINT_SECONDS,
        )
    )


def chunk_steps(epoch: int, block: int) -> int:
    """Steps of a chunk, so that chunks end where epochs end."""
    chunk = math.gcd(epoch, CHUNK_STEPS)
    return chunk if chunk % block == 0 else epoch


def best_row(folder: Path) -> dict[str, float]:
    """The evaluation of the best so far."""
    return load(folder / BEST)[0].training["evaluation"]


def publish(folder: Path, path: Path, kind: str) -> Path:
    """Keeps the best of a finished run as `path`, which it returns."""
    card, arrays = load(folder / BEST, expect=kind)
    save(path, card, arrays)
    return path
