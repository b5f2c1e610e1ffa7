"""One student by itself: what `handrail train` and `handrail evaluate` do in navigation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from handrail.artifact import load
from handrail.envs.navigation.problems import navigation_problem
from handrail.errors import HandrailError
from handrail.experiments.navigation.evaluations import tested, try_policy
from handrail.experiments.navigation.forebears import load_policy
from handrail.experiments.navigation.guarded import doubts
from handrail.experiments.navigation.rows import NavigationRow, complete
from handrail.experiments.navigation.source_data import beside
from handrail.experiments.navigation.student import POLICY, Knowledge, check, run_student
from handrail.experiments.plan import navigation_knowledge
from handrail.experiments.progress import Steps
from handrail.experiments.work import work
from handrail.recorded import stable

EPOCHS = (30_000, 10_000, 5_000)  # the paper's epoch, or the next shorter one that fits


def train_student(
    settings: Mapping[str, Any],
    *,
    files: Mapping[str, Path | None],
    knowledge_folder: Path,
    out: Path,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Acquires the guide (expert, …) that no file brings, trains, and returns the summary.

    `settings` are dotted, as in an experiment's row. `progress()` is called whenever the tables
    of the run have grown. Raises `HandrailError` before anything is computed where settings or
    files do not fit.
    """
    row = complete(with_epoch(settings))
    given = {kind: path for kind, path in files.items() if path is not None}
    _refuse_unused(row, given)
    tasks = [task for task in navigation_knowledge(row, knowledge_folder) if task.kind not in given]
    promised = {task.kind: task.folder / f"{task.kind}.safetensors" for task in tasks}
    knowledge = Knowledge(**promised, **given)
    check(row.run, knowledge)
    brought = list(given.values())
    if row.run.source_data and "guide" in given and beside(given["guide"]).exists():
        brought.append(beside(given["guide"]))
    needs = [task.folder.name for task in tasks] + [load(p)[0].checksum for p in brought]
    with Steps() as steps:
        for task in tasks:
            if not task.done:
                work(task, steps)
        if knowledge.guide is not None:
            for doubt in doubts(load(knowledge.guide)[0], row.run.limit):
                steps.note(f"{knowledge.guide}: {doubt}")

        def report(step: int, total: int) -> None:
            steps("training", step, total)
            progress()

        recorded = {"run": stable(row.run), "needs": needs}
        return run_student(row.run, knowledge, out, settings=recorded, report=report)


def evaluate_student(folder: Path, environment: str, *, episodes: int, seed: int) -> dict[str, Any]:
    """Return, cost-return and length of a finished student's own policy, sampled, without guide.

    All are means over whole episodes of the target, undiscounted.
    """
    problem = navigation_problem(environment)
    card, policy = load_policy(folder / POLICY, problem, kind="policy")
    done = try_policy(problem.target, policy, episodes=episodes, key=jax.random.key(seed))
    return {
        "episodes": episodes,
        **{f"mean_{name}": value for name, value in tested(done).items()},
        "limit": card.spec.get("limit"),
        "episodes_with_cost": int(np.sum(np.asarray(done.costs) > 0)),
    }


def with_epoch(settings: Mapping[str, Any]) -> dict[str, Any]:
    """With an epoch that divides the steps, if the settings name steps but no epoch."""
    steps = settings.get("steps")
    fitting = [epoch for epoch in EPOCHS if isinstance(steps, int | float) and steps % epoch == 0]
    if "epoch" in settings or steps is None or not fitting:
        return dict(settings)
    return {**settings, "epoch": fitting[0]}


def _refuse_unused(row: NavigationRow, given: Mapping[str, Path]) -> None:
    for kind in given:
        if kind not in row.knowledge:
            wanted = ", ".join(row.knowledge) or "nothing"
            raise HandrailError(
                f"method {row.run.method!r} does not use {kind} files: it brings along {wanted}"
            )
