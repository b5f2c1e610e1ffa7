"""What `handrail train --resume RUN` does: goes on with a run from what its folder says."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.artifact import load
from handrail.errors import HandrailError
from handrail.experiments.navigation.rows import is_navigation
from handrail.experiments.progress import Steps
from handrail.experiments.schema import override
from handrail.files import read_json
from handrail.train.checkpoint import clear_checkpoints
from handrail.train_command import flatten


def resume(
    folder: Path,
    *,
    knowledge_folder: Path,
    files: Iterable[Path] = (),
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Continues the run in `folder` to its end and returns the summary.

    All settings are those of its `run.json`. Knowledge is looked for where `handrail train`,
    `reproduce` and `sweep` keep it: in `knowledge/` beside the run or one folder up, and in
    `knowledge_folder`; `files` are those that were named when the run was begun.
    `progress()` is called whenever the tables of the run have grown.
    """
    stored = _stored(folder)
    if (folder / "summary.json").exists():
        clear_checkpoints(folder)
        return read_json(folder / "summary.json")
    found = _knowledge(folder, stored["needs"], knowledge_folder, list(files))
    with Steps() as steps:

        def report(step: int, total: int) -> None:
            steps("training", step, total)
            progress()

        if is_navigation(stored["run"].get("environment")):
            return _student(folder, stored, found, report)
        return _lava(folder, stored, found, report)


def refuse_settings(given: Mapping[str, Any], command: Callable[..., Any]) -> None:
    """Refuses options that differ from the command's defaults: a run that exists has its own."""
    import inspect

    defaults = inspect.signature(command).parameters
    changed = [f"--{name}" for name, value in given.items() if value != defaults[name].default]
    if changed:
        raise HandrailError(
            f"{', '.join(changed)} cannot be given with --resume: the run keeps the settings it "
            "was begun with"
        )


def _stored(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        raise HandrailError(f"{folder} holds no run to resume: there is no run.json in it")
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise HandrailError(f"{path}: expected a JSON object")
    if "purpose" in stored:
        raise HandrailError(
            f"{folder} is a part of acquiring knowledge ({stored['purpose']}); repeat the command "
            "that began it, which goes on from here"
        )
    if not isinstance(stored.get("run"), dict) or not isinstance(stored.get("needs"), list):
        raise HandrailError(
            f"{path} was not written by `handrail train`, `reproduce` or `sweep`; repeat the "
            "program that began the run, which goes on from its last checkpoint"
        )
    for need in stored["needs"]:
        if not isinstance(need, str) or Path(need).name != need:
            raise HandrailError(f"{path}: one of its needs is {need!r}, expected a folder's name")
    return stored


def _knowledge(
    folder: Path, needs: list[str], knowledge_folder: Path, files: list[Path]
) -> dict[str, Path]:
    """The file of everything that the run brings along, by kind."""
    roots = [folder.parent, folder.parent.parent, knowledge_folder]
    named = {card.checksum: (card.kind, path) for path in files for card in [load(path)[0]]}
    found = {}
    for need in needs:
        if need in named:
            kind, path = named[need]
            found[kind] = path
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


def _lava(folder: Path, stored: Mapping[str, Any], found: dict[str, Path], report) -> dict:
    from handrail.experiments.lava.method import Knowledge, run_lava
    from handrail.experiments.lava.settings import LavaRun

    run = _run(LavaRun(), stored["run"], folder)
    views = {load(path)[0].spec.get("view") for path in found.values()}
    view = str(views.pop()) if views else run.observation
    return run_lava(run, Knowledge(view, **found), folder, settings=dict(stored), report=report)


def _student(folder: Path, stored: Mapping[str, Any], found: dict[str, Path], report) -> dict:
    from handrail.experiments.navigation.settings import StudentRun
    from handrail.experiments.navigation.student import Knowledge, run_student

    run = _run(StudentRun(), stored["run"], folder)
    return run_student(run, Knowledge(**found), folder, settings=dict(stored), report=report)


def _run(default: Any, values: Mapping[str, Any], folder: Path) -> Any:
    """The settings of a run as it recorded them; refuses those that this version lacks."""
    try:
        run = override(default, flatten(values))
    except HandrailError as error:
        raise HandrailError(f"{folder / 'run.json'} is of another version: {error}") from None
    if json.loads(json.dumps(dataclasses.asdict(run))) != values:
        raise HandrailError(
            f"{folder / 'run.json'} is of another version of handrail, whose runs have other "
            "settings; resume it with that version"
        )
    return run
