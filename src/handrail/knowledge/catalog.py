"""The files of knowledge that ship with the package, by kind and name."""

import dataclasses
import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from handrail.core.arguments import folder_of
from handrail.core.artifact import load
from handrail.core.errors import UnknownName
from handrail.methods.sagui.outside_guide import PolicyGuide

ROOM = Path(str(resources.files("handrail.knowledge")))
FOLDER = ROOM / "files"
SUFFIX = ".safetensors"
ALL = "all"
CHECKSUM = 64
"""Letters of one."""


@dataclasses.dataclass(frozen=True)
class ShippedKnowledge:
    """A guide, prior or encoder of the package: for whom it is, and how it was made."""

    kind: str
    """guide, prior or encoder."""
    name: str
    """Unique among its kind."""
    serves: Mapping[str, Any]
    """Settings of `handrail train` whose knowledge it is, beside the defaults."""
    made: Mapping[str, Any]
    """Settings it was made with, where they differ from those."""
    seeds: tuple[int, ...] = ()
    """Seeds to try, in this order; none where its settings have a seed of their own."""
    test_episodes: int = 100
    """Episodes of the test in the target; of guides."""

    @property
    def file(self) -> Path:
        """Where it lies."""
        return self.within(FOLDER)

    def within(self, folder: Path) -> Path:
        """Its file in a folder that holds all; what is kept beside it has the same place."""
        return folder / self.name / f"{self.kind}{SUFFIX}"

    @property
    def checksum(self) -> str:
        """Of its file, which is refused if damaged."""
        return load(self.file, expect=self.kind)[0].checksum


@functools.cache
def shipped() -> tuple[ShippedKnowledge, ...]:
    """Everything that ships, in the order of `shipped.toml`."""
    entries = tomllib.loads((ROOM / "shipped.toml").read_text(encoding="utf-8"))["shipped"]
    return tuple(_entry(values) for values in entries)


def named(name: str, kind: str | None = None) -> list[ShippedKnowledge]:
    """What ships under a name (`all`: under any), of one kind or of all; raises `UnknownName`."""
    known = [one for one in shipped() if kind in (None, one.kind)]
    found = [one for one in known if name in (one.name, ALL)]
    if not found:
        what = f"shipped {kind}" if kind else "shipped knowledge"
        raise UnknownName(what, name, {one.name for one in known})
    return found


def located(kind: str, file: Path | str) -> Path:
    """The path of a file; a bare name of what ships, such as `navigation-static`, is its file.

    Raises `UnknownName` for a bare name that is neither.
    """
    path = folder_of(file, kind)
    bare = len(path.parts) == 1 and path.suffix != SUFFIX and not path.exists()
    if not bare or not any(one.kind == kind for one in shipped()):
        return path
    return named(str(path), kind)[0].file


def located_files(files: Mapping[str, Path | None]) -> dict[str, Path]:
    """Those files that are given, by kind, as `located` finds them."""
    return {kind: located(kind, path) for kind, path in files.items() if path is not None}


def with_checksum(checksum: str) -> ShippedKnowledge | None:
    """What ships with this checksum, if anything does."""
    if len(checksum) != CHECKSUM:  # what was acquired is known by the name of its folder
        return None
    return next((one for one in shipped() if one.checksum == checksum), None)


def _entry(values: dict[str, Any]) -> ShippedKnowledge:
    return ShippedKnowledge(
        kind=values["kind"],
        name=values["name"],
        serves=values["for"],
        made=values.get("made", {}),
        seeds=tuple(values.get("seeds", ())),
        test_episodes=values.get("test_episodes", 100),
    )


def located_guide(guide: Path | str | PolicyGuide) -> Path | PolicyGuide:
    """A guide as `located` finds it; a policy of the user's as it is."""
    return guide if isinstance(guide, PolicyGuide) else located("guide", guide)
