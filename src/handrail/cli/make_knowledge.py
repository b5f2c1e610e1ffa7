"""What `handrail knowledge make` does: trains what ships, measures it, and writes its card."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handrail.cli.check_transfer import check_task
from handrail.core.artifact import load, save
from handrail.core.files import read_json
from handrail.experiments.launch import work
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import Task, knowledge_tasks
from handrail.experiments.progress import ProgressBars
from handrail.knowledge.catalog import ShippedKnowledge, named
from handrail.knowledge.matching import made, served
from handrail.tasks.lava import analysis
from handrail.tasks.lava.shield import ENVIRONMENTS, LAYOUTS, random_cost

Measured = dict[str, Any]


def make_knowledge(name: str, out: Path, knowledge_folder: Path) -> list[Path]:
    """Makes every file of a name (or of `all`) in the folder `out`; returns them.

    Trainings and measurements are kept in `knowledge_folder` and not repeated. Raises
    `UnknownName`.
    """
    with ProgressBars(unit="") as steps:
        return [_make(one, out, knowledge_folder, steps) for one in named(name)]


def _make(one: ShippedKnowledge, out: Path, knowledge_folder: Path, steps: ProgressBars) -> Path:
    task, chosen = _chosen(one, knowledge_folder, steps)
    card, arrays = load(task.file, expect=one.kind)
    told = {
        "name": one.name,
        "task": served(one, 0).run.environment,
        **MEASURES[one.kind](one, task.file, out, steps),
        "made_by": f"handrail knowledge make {one.name}",
        **chosen,
        "settings": dict(one.made) or "the defaults",
    }
    path = one.within(out)
    save(path, dataclasses.replace(card, training={**card.training, "shipped": told}), arrays)
    for beside in task.family.left_beside.get(one.kind, ()):
        if (kept := task.file.with_name(beside)).exists():
            shutil.copyfile(kept, path.with_name(beside))
    return path


def _chosen(
    one: ShippedKnowledge, knowledge_folder: Path, steps: ProgressBars
) -> tuple[Task, Measured]:
    """The training that ships, and how it was chosen among the seeds."""
    if not one.seeds:
        return _trained(one, 0, knowledge_folder, steps), {}
    limit, costs = served(one, 0).run.limit, {}
    for seed in one.seeds:
        costs[seed] = _shielded(_trained(one, seed, knowledge_folder, steps).file)
        if costs[seed] <= limit:
            break
    best = min(costs, key=lambda seed: costs[seed])
    tested = {f"seed {seed}": cost for seed, cost in costs.items()}
    passes = costs[best] <= limit
    why = "the first that passes" if passes else "none passes; the one that costs least"
    how = {"seed": best, "chosen": f"by the shield test: {why}", "shield_tests": tested}
    return _trained(one, best, knowledge_folder, steps), how


def _trained(one: ShippedKnowledge, seed: int, knowledge_folder: Path, steps: ProgressBars) -> Task:
    (task,) = (t for t in knowledge_tasks(made(one, seed), knowledge_folder) if t.kind == one.kind)
    with exclusive(task.folder, waiting=steps.note):
        work(task, steps)
    return task


def _shielded(file: Path) -> float:
    return load(file, expect="guide")[0].training["evaluation"]["shielded_cost"]


def _of_guide(one: ShippedKnowledge, file: Path, out: Path, steps: ProgressBars) -> Measured:
    """As `handrail check-transfer` finds it in its task."""
    run = served(one, 0).run
    record = file.with_name(f"check-transfer-{run.environment}.json")
    if not record.exists():
        check_task(
            file, task=run.environment, episodes=one.test_episodes, out=record,
            report=lambda what, done, total: steps(f"episodes in the {what}", done, total),
        )  # fmt: skip
    found = read_json(record)
    return {
        "cost": float(np.mean(found["measured"]["target"]["own_costs"])),
        "cost_of": f"an episode of the guide alone in its target, mean of {one.test_episodes}",
        "shield_test": _shielded(file),
        "shield_test_of": "random actions that it guards in its source, a 1,000 steps",
        "limit": run.limit,
        "verdict": found["verdict"],
        "notes": found["notes"],
        "calibration": {
            finding["question"]: f"source {finding['source']}; target {finding['target']}"
            for finding in found["findings"]
        },
    }


def _of_prior(one: ShippedKnowledge, file: Path, out: Path, steps: ProgressBars) -> Measured:
    """The action check on layouts on which no knowledge is acquired."""
    run, view = served(one, 0).run, made(one, 0).knowledge[one.kind].view
    threshold = run.safety.threshold
    rates = [
        analysis.check_actions(file, view, environment, layout, threshold=threshold)
        for environment in ENVIRONMENTS
        for layout in LAYOUTS
    ]
    caught, flagged = np.mean(rates, axis=0)
    return {
        **_random(one, "action-only", {"prior": file}),
        "calibration": {
            "unsafe actions that it flags": float(caught),
            "safe actions that it flags": float(flagged),
        },
    }


def _of_encoder(one: ShippedKnowledge, file: Path, out: Path, steps: ProgressBars) -> Measured:
    """Both checks there, with the prior of the same name, which is made before."""
    run, view = served(one, 0).run, made(one, 0).knowledge[one.kind].view
    states = [
        analysis.check_states(file, view, environment, layout)
        for environment in ENVIRONMENTS
        for layout in LAYOUTS
    ]
    caught, flagged = np.mean([one.rates(run.safety.max_distance) for one in states], axis=0)
    (prior,) = named(one.name, "prior")
    return {
        **_random(one, "full-adaptive", {"prior": prior.within(out), "encoder": file}),
        "calibration": {
            "probability that an unsafe state is nearer than a safe one": float(
                np.mean([state.separation() for state in states])
            ),
            "unsafe states within the distance": float(caught),
            "safe states within the distance": float(flagged),
            "distance": run.safety.max_distance,
        },
    }


def _random(one: ShippedKnowledge, method: str, files: Mapping[str, Path]) -> Measured:
    run, view = served(one, 0).run, made(one, 0).knowledge[one.kind].view
    cost = random_cost(method, view, run.observation, files)
    layouts = len(ENVIRONMENTS) * len(LAYOUTS)
    return {
        "cost": cost,
        "cost_of": f"1,000 random actions on {layouts} other layouts, under the checks",
        "shield_test": cost,
        "shield_test_of": f"the same: steps into lava under the checks of {method}",
        "without": random_cost("dqn", view, run.observation, {}),
    }


MEASURES: Mapping[str, Callable[[ShippedKnowledge, Path, Path, ProgressBars], Measured]] = {
    "guide": _of_guide,
    "prior": _of_prior,
    "encoder": _of_encoder,
}
