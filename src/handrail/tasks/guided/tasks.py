"""What a family says of its own tasks, where SaGui's methods run: everything else is common."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handrail.envs.changes import Changes
from handrail.methods.sagui.problem import Source, Target
from handrail.methods.sagui.settings import GuideSettings, PretrainingSettings, StudentRun
from handrail.tasks.family import Files, TransferTask
from handrail.train.rollout.recorded import RecordedEpisode


def _unchanged(settings: Any) -> Any:
    return settings


@dataclasses.dataclass(frozen=True)
class GuidedTasks:
    """Tasks with a source, for guides, and a target, for students."""

    name: str
    """Of the family."""
    environments: tuple[str, ...]
    run: Callable[[str], StudentRun]
    """The usual run in the task of this name; raises `UnknownName`."""
    source: Callable[[GuideSettings], Source]
    target: Callable[[StudentRun, Changes], Target]
    """Where a student learns, and is tested, the latter in a world that may be changed."""
    pretraining: Callable[[PretrainingSettings], Target]
    """Where an expert, or a student to be pre-trained, learns."""
    compiles: Callable[[str], bool]
    """Whether a task's physics are compiled into the learner's loop, not run on the host."""
    record: Callable[[StudentRun, Path, Files, int, int, bool], list[RecordedEpisode]]
    """As of `Family`."""
    transfer: Callable[[str], TransferTask]
    """As of `Family`."""
    student: Callable[[StudentRun], StudentRun] = _unchanged
    """What a preset says of a student, for these tasks."""
    guide: Callable[[GuideSettings], GuideSettings] = _unchanged
    """What a preset says of a guide, for these tasks."""
