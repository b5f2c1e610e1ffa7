"""Weights & Biases (the extra `wandb`). Its own environment variables apply, such as
`WANDB_MODE=offline`, which needs no network and no account."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.tracking.base import AbstractSink, OpenSink

STEP = "global_step"


class WandbRun(AbstractSink):
    """One run of Weights & Biases; following the same folder again goes on with the same run."""

    def __init__(self, wandb: Any, project: str, folder: Path, settings: Mapping[str, Any]):
        where = str(folder.resolve())
        try:
            self._run = wandb.init(
                project=project,
                name=folder.resolve().name,
                id=hashlib.sha256(where.encode()).hexdigest()[:16],
                resume="allow",
                config=dict(settings),
                dir=where,
                reinit="create_new",
            )
            # environment steps are the horizontal axis; W&B's own steps only count calls
            self._run.define_metric(STEP)
            self._run.define_metric("*", step_metric=STEP)
            self._done = self._run.summary.get(STEP, -1)  # of a run that is gone on with
        except Exception as error:
            raise HandrailError(f"Weights & Biases cannot be used: {error}") from None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Logs all values of the step at once, unless they were logged before."""
        if step > self._done:
            self._run.log({**values, STEP: step})

    def flush(self) -> None:
        """W&B sends by itself."""

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()


def wandb_runs(project: str) -> OpenSink:
    """Opens runs of a project."""
    try:
        import wandb  # pyrefly: ignore[missing-import]
    except ImportError:
        raise HandrailError(
            "Weights & Biases needs wandb: install it with `pip install 'handrail[wandb]'`"
        ) from None

    def open_run(folder: Path, settings: Mapping[str, Any]) -> AbstractSink:
        return WandbRun(wandb, project, folder, settings)

    return open_run
