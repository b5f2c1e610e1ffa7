"""The report of guides, and of their students, in worlds that differ from those they learnt in."""

from collections.abc import Callable

from handrail.core.records import POLICY
from handrail.experiments.plan import Task
from handrail.report.finished import Finished
from handrail.report.html import Block
from handrail.report.robustness_figures import robustness_blocks
from handrail.tasks.navigation.robustness import guide_robustness, student_robustness
from handrail.tasks.registry import short_name
from handrail.transfer_check.robustness import Robustness, mean_robustness

SIDE, EPISODES = 4, 10
Measure = Callable[[Task, int], dict[str, Robustness]]
"""From the task of a run, and its seed."""


def robustness(finished: Finished) -> list[Block]:
    """Tables and maps of all variants' guides and, where runs were computed, of their students."""
    experiment = finished.experiment
    measures: dict[str, Measure] = {"guides": _guide}
    if experiment.runs:
        measures["students"] = _student
    seeds = f"{len(finished.seeds)} {'seed' if len(finished.seeds) == 1 else 'seeds'}"
    blocks: list[Block] = []
    for environment in experiment.environments:
        task = short_name(environment)
        for who, measure in measures.items():
            found = _by_variant(finished, environment, measure)
            for name in next(iter(found.values()), {}):
                own = {variant: of[name] for variant, of in found.items()}
                blocks += robustness_blocks(
                    own, f"{task}, {who} {name}, means over {seeds}, {EPISODES} episodes a world"
                )
    return blocks


def _by_variant(
    finished: Finished, environment: str, measure: Measure
) -> dict[str, dict[str, Robustness]]:
    """By variant and by who drives, the means over seeds."""
    found: dict[str, dict[str, Robustness]] = {}
    for variant in finished.ran(environment):
        rows = finished.rows_of(variant, environment)
        seeds = [measure(task, row.seed) for row, task in rows]
        found[variant] = {name: mean_robustness([one[name] for one in seeds]) for name in seeds[0]}
    return found


def _guide(task: Task, seed: int) -> dict[str, Robustness]:
    run = task.settings.run
    path = next(need.file for need in task.needs if need.kind == "guide")
    return guide_robustness(
        path, run.environment, limit=run.limit, side=SIDE, episodes=EPISODES, seed=seed
    )


def _student(task: Task, seed: int) -> dict[str, Robustness]:
    files = {need.kind: need.file for need in task.needs}
    run = task.settings.run
    return student_robustness(
        run, task.folder / POLICY, files, limit=run.limit, side=SIDE, episodes=EPISODES, seed=seed
    )
