"""What a run's folder says of it, read as data: nothing that it names is run."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.arguments import override
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.plain_text import message
from handrail.core.recorded import stable
from handrail.core.renamed import migrated
from handrail.experiments.schema import flat
from handrail.tasks.family import Family
from handrail.tasks.registry import family_of

OWN = "own "
"""With which the purpose of a run begins that a function of `handrail.api` began."""


def stored_run(folder: Path) -> tuple[dict[str, Any], Family, Any]:
    """What a run's folder says of it: all of `run.json`, its family, and its settings."""
    path = folder / "run.json"
    if not path.is_file():
        raise HandrailError(f"{folder} holds no run to resume: there is no run.json in it")
    stored = migrated(read_json(path), str(path))
    of_own = str(stored.get("purpose", "")).startswith(OWN)
    if "run" not in stored and "purpose" in stored and not of_own:
        raise HandrailError(
            f"{folder} is a part of acquiring knowledge ({stored['purpose']}); repeat the command "
            "that began it, which goes on from here"
        )
    known = isinstance(stored.get("run"), dict) and isinstance(stored.get("needs"), dict | list)
    if of_own or not known:
        raise HandrailError(
            f"{path} was not written by `handrail train`, `reproduce` or `sweep`; repeat the "
            "program that began the run, which goes on from its last checkpoint"
        )
    for need in names_of(stored["needs"]):
        if not isinstance(need, str) or Path(need).name != need:
            raise HandrailError(f"{path}: one of its needs is {need!r}, expected a folder's name")
    environment = stored["run"].get("environment")
    if not isinstance(environment, str):
        raise HandrailError(
            f"{path} is of another version of handrail: its run names no environment"
        )
    family = family_of(environment)
    kind = family.run_type(str(stored["run"].get("method")))
    return stored, family, recorded_settings(kind, stored["run"], path)


def names_code(folder: Path) -> bool:
    """Whether the run in a folder is of an environment of the user's, as far as it says so."""
    path = folder / "run.json"
    run = read_json(path).get("run") if path.is_file() else None
    name = run.get("environment") if isinstance(run, dict) else None
    try:
        return isinstance(name, str) and family_of(name).names_code
    except HandrailError:
        return False


def may_run(folder: Path, family: Family, run: Any, environment: str | None) -> None:
    """Refuses to import what a run's folder names, unless the user names the same: it is code, and
    a folder may come from others. An environment of handrail's is not to be named.
    """
    if not family.names_code and environment is not None:
        raise HandrailError(
            f"the run in {folder} is of a task of handrail's: leave --environment, --cost-fn, "
            "--episode-length, --intervention and --view out"
        )
    if family.names_code and environment != run.environment:
        raise HandrailError(
            f"the run in {folder} is of an environment of yours, whose code is run: name it with "
            f"--environment {message(run.environment)}"
        )


def names_of(needs: dict[str, Any] | list[Any]) -> Iterable[Any]:
    """By kind, or as older versions recorded them in a list."""
    return needs.values() if isinstance(needs, dict) else needs


def recorded_settings(kind: type, values: Mapping[str, Any], path: Path) -> Any:
    """The settings of a run as it recorded them; refuses those that this version lacks."""
    try:
        run = override(kind(), flat(values))
    except HandrailError as error:
        raise HandrailError(f"{path} is of another version: {error}") from None
    if json.loads(json.dumps(stable(run))) != values:
        raise HandrailError(
            f"{path} is of another version of handrail, whose runs have other settings; resume it "
            "with that version"
        )
    return run
