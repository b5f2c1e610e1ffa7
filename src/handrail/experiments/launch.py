"""The one way to a run: resolve → acquire knowledge → write `run.json` → train.

`handrail train`, `--resume`, `reproduce`, `sweep` and the workers of every engine go it.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from handrail.core.arguments import seed_number, whole
from handrail.core.artifact import checksums
from handrail.core.errors import HandrailError
from handrail.core.files import check_writable, read_json
from handrail.core.recorded import stable
from handrail.core.records import BEST, POLICY
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.experiments.locks import exclusive
from handrail.experiments.plan import RUN, SUMMARY, Task, knowledge_tasks, refuse_changed
from handrail.experiments.stored import may_run, names_of, stored_run
from handrail.knowledge.catalog import with_checksum
from handrail.tasks.family import Family, Row
from handrail.tasks.registry import family_of, look_at
from handrail.train.checkpoint import clear_checkpoints
from handrail.train.course import Course, coursed
from handrail.train.evaluate_pair import FadedOut
from handrail.train.rollout.recorded import FILE as EPISODES
from handrail.train.rollout.recorded import RecordedEpisode, read_episodes, write_episodes
from handrail.train.run_folder import refuse_foreign

LOG = logging.getLogger(__name__)
Which = Literal["last", "best"]
POLICIES: Mapping[Which, str] = {"last": POLICY, "best": BEST}
Report = Callable[[str, int, int], None]
"""Called with (what, steps done, steps in all)."""


@coursed
def work(
    task: Task, report: Report = lambda what, step, total: None
) -> Course[dict[str, Any] | None]:
    """Computes a task whose needs are met; returns the summary of a run."""
    family = task.family
    if task.kind != RUN:
        if not task.done:
            _prepare(family)
            yield from family.acquire.course(task.kind, task.settings, task.folder, report)
        return None
    files = {need.kind: need.file for need in task.needs}
    needs = {need.kind: need.folder.name for need in task.needs}
    return (
        yield from _train.course(
            task.settings, files, needs, task.folder, lambda *at: report("run", *at)
        )
    )


def train(
    row: Row,
    *,
    files: Mapping[str, Path],
    knowledge_folder: Path,
    out: Path,
    report: Report,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Acquires the knowledge that no file brings, trains in `out`, and returns the summary.

    `note` is given what speaks against the knowledge, in words. Raises `HandrailError` before
    anything is computed where settings or files do not fit.
    """
    run, family = row.run, family_of(row.run.environment)
    refuse_foreign(out)
    look_at(run.environment, seed=run.seed)
    _refuse_unused(row, family, files)
    tasks = [task for task in knowledge_tasks(row, knowledge_folder) if task.kind not in files]
    promised = {**{task.kind: task.file for task in tasks}, **files}
    family.suits(run, {task.kind: task.settings for task in tasks})
    family.check(run, promised)
    named = _checksums(family, run, files)  # refuses what is damaged, before hours of acquiring
    refuse_changed(tasks)
    check_writable(out)
    for task in tasks:
        with exclusive(task.folder, waiting=note):
            work(task, report)
    for text in family.warnings(run, promised):
        note(f"{promised.get('guide', out)}: {text}")
    needs = {task.kind: task.folder.name for task in tasks} | named
    summary = _train(row, promised, needs, out, lambda *at: report("training", *at))
    _try_to_keep_episodes(out, family, run, promised)
    return summary


def resume(
    folder: Path,
    *,
    knowledge_folder: Path,
    files: Mapping[str, Path],
    report: Report,
    environment: str | None = None,
) -> dict[str, Any]:
    """Continues the run in `folder` to its end and returns the summary.

    All settings are those of its `run.json`. Knowledge is looked for where `handrail train`,
    `reproduce` and `sweep` keep it: in `knowledge/` beside the run or one folder up, and in
    `knowledge_folder`; `files` are those that were named when the run was begun, by kind.
    `environment` is named again where it is the user's own (`may_run`).
    """
    stored, family, run = stored_run(folder)
    if (folder / SUMMARY).exists():
        clear_checkpoints(folder)
        return read_json(folder / SUMMARY)
    may_run(folder, family, run, environment)
    found = _found(folder, stored["needs"], family, run, knowledge_folder, files)
    _prepare(family)
    summary = family.train(run, found, folder, stored, lambda *at: report("training", *at))
    _try_to_keep_episodes(folder, family, run, found)
    return summary


def evaluate(
    folder: Path,
    *,
    episodes: int,
    seed: int,
    which: Which = "last",
    shielded: bool = False,
    knowledge_folder: Path = Path("runs"),
    files: Mapping[str, Path] = MappingProxyType({}),
    environment: str | None = None,
    changes: Changes = NOTHING_CHANGED,
) -> dict[str, Any]:
    """Return, cost and length of a finished run's own policy, without intervention.

    They are of a world that is changed, if it is. If `shielded`, those of the policy together with
    the run's intervention as well. Knowledge is looked for as `resume` does; `files` are those that
    are elsewhere, by kind.
    """
    check_evaluation(folder, episodes, seed)
    _, family, run = stored_run(folder)
    may_run(folder, family, run, environment)
    file = policy_file(folder, which)
    alone = family.evaluate(run, file, episodes, seed, changes)
    if not shielded:
        return alone
    found = knowledge_of_run(folder, knowledge_folder=knowledge_folder, files=files)
    return {**alone, **family.shielded(run, found, file, episodes, seed, changes)}


def check_triggers(
    folder: Path,
    *,
    episodes: int,
    seed: int,
    within: int,
    random: bool = False,
    which: Which = "last",
    knowledge_folder: Path = Path("runs"),
    files: Mapping[str, Path] = MappingProxyType({}),
    environment: str | None = None,
) -> list[dict[str, Any]]:
    """How right the triggers are that the knowledge of a finished run allows, a row each.

    They watch its policy by itself, or `random` actions. Knowledge is looked for, and an
    environment of the user's named again, as `resume` does.
    """
    check_evaluation(folder, episodes, seed)
    _, family, run = stored_run(folder)
    if family.triggers is None:
        raise HandrailError(
            f"{folder} is a run of {family.name}, whose reports say by themselves whether checks "
            "were right; expected one of a navigation or velocity task, or in an environment of "
            "yours"
        )
    may_run(folder, family, run, environment)
    file = None if random else policy_file(folder, which)
    found = knowledge_of_run(folder, knowledge_folder=knowledge_folder, files=files)
    _prepare(family)
    return family.triggers(run, found, file, episodes, seed, within)


def knowledge_of_run(
    folder: Path, *, knowledge_folder: Path, files: Mapping[str, Path]
) -> dict[str, Path]:
    """The files of a finished run's knowledge, by kind, looked for as `resume` does."""
    stored, family, run = stored_run(folder)
    return _found(folder, stored["needs"], family, run, knowledge_folder, files)


def record(
    folder: Path,
    *,
    episodes: int,
    seed: int,
    shielded: bool,
    which: Which = "last",
    knowledge_folder: Path = Path("runs"),
    files: Mapping[str, Path] | None = None,
    environment: str | None = None,
) -> list[RecordedEpisode]:
    """Episodes of a finished run's policy: alone as in a test, or `shielded` as in training.

    Knowledge is looked for as in `resume`, where the method's intervention needs it.
    """
    check_evaluation(folder, episodes, seed)
    stored, family, run = stored_run(folder)
    may_run(folder, family, run, environment)
    found = {}
    if shielded:
        found = _found(folder, stored["needs"], family, run, knowledge_folder, files or {})
    _prepare(family)
    return family.record(run, policy_file(folder, which), found, episodes, seed, shielded)


def keep_episodes(
    folder: Path, family: Family, run: Any, files: Mapping[str, Path]
) -> list[RecordedEpisode]:
    """An episode of a finished run alone, and one as it trains if its knowledge is there.

    They are kept in its folder, `episodes.json`, and recorded once. An empty list without a policy.
    """
    path, policy = folder / EPISODES, folder / POLICIES["last"]
    if path.exists():
        return read_episodes(path)
    if not policy.exists():
        return []
    found: list[RecordedEpisode] = []
    if files and all(file.exists() for file in files.values()):
        with contextlib.suppress(FadedOut):  # then there is no pair
            found += family.record(run, policy, files, 1, run.seed, True)
    found += family.record(run, policy, {}, 1, run.seed, False)
    write_episodes(path, found)
    return found


def _try_to_keep_episodes(
    folder: Path, family: Family, run: Any, files: Mapping[str, Path]
) -> None:
    """The run itself is whole, also where its episodes cannot be recorded."""
    try:
        keep_episodes(folder, family, run, files)
    except HandrailError as error:
        LOG.warning("no episodes of %s are kept: %s", folder, error)


def check_evaluation(folder: Path, episodes: int, seed: int) -> None:
    """Raises `HandrailError` where there is no finished run, no episode to run, or no such seed."""
    whole("episodes", episodes, least=1)
    seed_number(seed)
    if not (folder / SUMMARY).exists():
        raise HandrailError(f"{folder} holds no finished run (no {SUMMARY})")


def policy_file(folder: Path, which: Which) -> Path:
    """The file of a finished run's last policy, or of its best one that kept the limit alone."""
    path = folder / POLICIES[which]
    if which == "best" and not path.is_file():
        raise HandrailError(
            f"{folder} has no {path.name}: in no test did its policy keep the limit alone, or it "
            "is no student's; evaluate the last one"
        )
    return path


@coursed
def _train(
    row: Row, files: Mapping[str, Path], needs: dict[str, str], folder: Path, report: Any
) -> Course[dict[str, Any]]:
    family = family_of(row.run.environment)
    _prepare(family)
    recorded = {"run": stable(row.run), **row.recorded, "needs": needs}
    begun = _as_begun(folder, recorded)
    return (yield from family.train.course(row.run, files, folder, begun, report))


def _as_begun(folder: Path, recorded: dict[str, Any]) -> dict[str, Any]:
    """`recorded`, in the form of the version that began the run: `needs` was a list once."""
    path = folder / "run.json"
    if not path.is_file():
        return recorded
    needs = read_json(path).get("needs")
    if isinstance(needs, list) and sorted(needs) == sorted(recorded["needs"].values()):
        return {**recorded, "needs": needs}
    return recorded


def _prepare(family: Family) -> None:
    """Some tasks run on the host."""
    if family.on_host:
        from handrail.core.jax_setup import dispatch_at_once

        dispatch_at_once()


def _refuse_unused(row: Row, family: Family, files: Mapping[str, Path]) -> None:
    for kind in files:
        if kind not in row.knowledge:
            wanted = ", ".join(row.knowledge) or "nothing"
            raise HandrailError(
                f"method {row.run.method!r} does not use {kind} files: it brings along {wanted}"
            )


def _checksums(family: Family, run: Any, files: Mapping[str, Path]) -> dict[str, str]:
    """By kind, the checksums of the files that were named, and of what lies beside them."""
    beside = {path.stem: path for path in family.beside(run, files)}
    return checksums({**files, **beside})


def _found(
    folder: Path,
    needs: dict[str, str] | list[str],
    family: Family,
    run: Any,
    knowledge_folder: Path,
    files: Mapping[str, Path],
) -> dict[str, Path]:
    """The file of everything that the run brings along, by kind; what lies beside one, such as the
    steps of a guide's source, is found with it.
    """
    shipped = [one for need in names_of(needs) if (one := with_checksum(need))]
    files = {**{one.kind: one.file for one in shipped}, **files}
    roots = [folder.parent, folder.parent.parent, knowledge_folder]
    named = {checksum: kind for kind, checksum in _checksums(family, run, files).items()}
    found = {}
    for need in names_of(needs):
        if need in named:
            kind = named[need]
            if kind in files:
                found[kind] = files[kind]
            continue
        places = [path for root in roots for path in sorted((root / "knowledge" / need).glob("*"))]
        finished = [path for path in places if path.suffix == ".safetensors"]
        own = [path for path in finished if path.stem in need.split("-")]
        if not own:
            where = ", ".join(str(root / "knowledge") for root in dict.fromkeys(roots))
            fix = (
                f"repeat --prior, --guide, … with the file whose checksum begins with {need[:12]}"
                if len(need) == 64
                else f"name its folder's parent with --knowledge-folder (looked in {where})"
            )
            raise HandrailError(f"the run in {folder} needs {need[:40]}, which is not found: {fix}")
        found[own[0].stem] = own[0]
    return found
