"""Doing one task in this process."""

from collections.abc import Callable
from typing import Any

from handrail.experiments.navigation.rows import NavigationRow
from handrail.experiments.plan import Task
from handrail.recorded import stable

Report = Callable[[str, int, int], None]  # (what, steps done, steps in all)


def work(task: Task, report: Report = lambda what, step, total: None) -> dict[str, Any] | None:
    """Computes a task whose needs are met; returns the summary of a run."""
    if task.kind in ("guide", "expert", "pretrained") or isinstance(task.settings, NavigationRow):
        return _navigation(task, report)
    if task.kind == "prior":
        from handrail.tasks.lava.knowledge import acquire_prior

        acquire_prior(task.settings, task.folder, report)
        return None
    if task.kind == "encoder":
        from handrail.tasks.lava.knowledge import acquire_encoder

        acquire_encoder(task.settings, task.folder, report)
        return None
    from handrail.tasks.lava.student import Knowledge, run_lava

    row = task.settings
    files = {need.kind: need.folder / f"{need.kind}.safetensors" for need in task.needs}
    knowledge = Knowledge(view=row.view, **files)
    settings = {
        "run": stable(row.run),
        "knowledge": row.knowledge,
        "needs": [need.folder.name for need in task.needs],
    }
    return run_lava(
        row.run,
        knowledge,
        task.folder,
        settings=settings,
        report=lambda step, total: report("run", step, total),
    )


def _navigation(task: Task, report: Report) -> dict[str, Any] | None:
    from handrail.dispatch import dispatch_at_once

    dispatch_at_once()  # some of the tasks are on the host
    if task.kind == "guide":
        from handrail.experiments.navigation.guide_training import acquire_guide

        acquire_guide(task.settings, task.folder, report)
        return None
    if task.kind != "run":
        from handrail.experiments.navigation.forebears import acquire_forebear

        acquire_forebear(task.settings, task.folder, report)
        return None
    from handrail.experiments.navigation.student import Knowledge, run_student

    run = task.settings.run
    files = {need.kind: need.folder / f"{need.kind}.safetensors" for need in task.needs}
    return run_student(
        run,
        Knowledge(**files),
        task.folder,
        settings={
            "run": stable(run),
            "needs": [need.folder.name for need in task.needs],
        },
        report=lambda step, total: report("run", step, total),
    )
