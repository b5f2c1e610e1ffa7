"""What `handrail train` and `handrail evaluate` do."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.artifact import fill, load
from handrail.errors import HandrailError
from handrail.experiments.families import LAVA, NAVIGATION, with_defaults
from handrail.experiments.navigation.rows import is_navigation
from handrail.experiments.plan import LavaRow, Task, complete, knowledge_tasks
from handrail.experiments.progress import Steps
from handrail.experiments.schema import override
from handrail.files import read_json


def train_one(
    settings: Mapping[str, Any],
    *,
    assignments: Sequence[str] = (),
    files: Mapping[str, Path | None],
    knowledge_folder: Path,
    out: Path,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Acquires the knowledge that is missing, trains, and returns the summary.

    `settings` that are None take the defaults of the environment's family, and so do files, by
    kind of knowledge. `progress()` is called whenever the tables of the run have grown.
    """
    own = assigned(assignments)
    chosen = {**with_defaults({**settings, **own}, files), **own}
    if is_navigation(chosen["environment"]):
        from handrail.experiments.navigation.single import train_student

        return train_student(
            chosen,
            files={kind: files.get(kind) for kind in NAVIGATION.files},
            knowledge_folder=knowledge_folder,
            out=out,
            progress=progress,
        )
    row = complete(chosen)
    from handrail.experiments.lava.method import Knowledge, check, run_lava

    files = {kind: files.get(kind) for kind in LAVA.files}
    needs = [task for task in knowledge_tasks(row, knowledge_folder) if not files[task.kind]]
    promised = {task.kind: task.folder / f"{task.kind}.safetensors" for task in needs}
    given = {kind: path for kind, path in files.items() if path is not None}
    knowledge = Knowledge(view=_view(row, given), **{**promised, **given})
    check(row.run, knowledge)
    with Steps() as steps:
        for task in needs:
            _acquire(task, steps)
        recorded = {
            "run": dataclasses.asdict(row.run),
            "knowledge": row.knowledge,
            "needs": sorted(
                [task.folder.name for task in needs] + [load(p)[0].checksum for p in given.values()]
            ),
        }

        def report(step: int, total: int) -> None:
            steps("training", step, total)
            progress()

        return run_lava(row.run, knowledge, out, settings=recorded, report=report)


def evaluate_one(folder: Path, *, episodes: int, seed: int) -> dict[str, Any]:
    """Return, cost-return and length of a finished run's own policy, without intervention."""
    if episodes < 1:
        raise HandrailError(f"episodes is {episodes}: expected at least 1")
    if not (folder / "summary.json").exists():
        raise HandrailError(f"{folder} holds no finished run (no summary.json)")
    run = read_json(folder / "run.json").get("run")
    if not isinstance(run, dict):
        raise HandrailError(
            f"{folder / 'run.json'} was not written by `handrail train`, `reproduce` or `sweep`, "
            "whose runs this command evaluates"
        )
    stored = flatten(run)
    if is_navigation(stored.get("environment")):
        from handrail.experiments.navigation.single import evaluate_student

        return evaluate_student(folder, stored["environment"], episodes=episodes, seed=seed)
    import jax

    from handrail.experiments.lava.method import agent_in_environment
    from handrail.experiments.lava.settings import LavaRun
    from handrail.train.evaluate import run_greedily

    run = override(LavaRun(), stored)
    environment, agent = agent_in_environment(run)
    _, arrays = load(folder / "policy.safetensors", expect="policy")
    template = agent.fresh_network(key=jax.random.key(0))
    network = fill(template, arrays, source=str(folder / "policy.safetensors"))
    done = run_greedily(
        environment, agent, agent.actor(network), episodes=episodes, key=jax.random.key(seed)
    )
    return {
        "episodes": episodes,
        "mean_return": float(done.returns.mean()),
        "mean_cost": float(done.costs.mean()),
        "mean_length": float(done.lengths.mean()),
    }


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as dotted names, without those that are not set."""
    from handrail.experiments.schema import flat

    return {name: value for name, value in flat(tree).items() if value is not None}


def _acquire(task: Task, steps: Steps) -> None:
    from handrail.experiments.work import work

    if not task.done:
        work(task, steps)


def assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs; values are JSON, or else text."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise HandrailError(
                f"setting {text!r}: expected name=value, such as learning.discount=0.97"
            )
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


def _view(row: LavaRow, given: Mapping[str, Path]) -> str:
    """The view of the files that were named, or of the knowledge to be acquired."""
    views = {load(path, expect=kind)[0].spec.get("view") for kind, path in given.items()}
    if len(views) > 1:
        raise HandrailError(
            f"prior and encoder see different things: {', '.join(sorted(map(str, views)))}; "
            "both must have been acquired with one view"
        )
    known = row.prior or row.encoder
    wanted = known.view if known else row.run.observation
    if views and wanted not in views:
        raise HandrailError(
            f"the knowledge was acquired on {views.pop()!r} observations, but a run on "
            f"{row.run.observation!r} observations needs {wanted!r}"
        )
    return wanted
