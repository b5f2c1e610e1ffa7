"""Folders that travel as bytes, between machines that share no file system."""

import dataclasses
import getpass
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from handrail.core.errors import HandrailError
from handrail.core.files import atomic
from handrail.experiments.plan import Task

CHECKPOINTS = "checkpoints"
Files = Mapping[str, bytes]


def pack(folder: Path) -> dict[str, bytes]:
    """The files of a finished folder by relative path, without checkpoints and hidden files."""
    files = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        left_out = CHECKPOINTS in parts or any(part.startswith(".") for part in parts)
        if path.is_file() and not left_out:
            files["/".join(parts)] = path.read_bytes()
    return files


def unpack(files: Files, task: Task) -> None:
    """Writes a task's files into its folder, each atomically, the one that marks the end last.

    Checkpoints that an earlier attempt on this machine left there are removed.
    """
    marker = task.file.name
    if marker not in files:
        raise HandrailError(f"{task.label}: the worker sent no {marker}")
    for name in sorted(files, key=lambda name: name == marker):
        with atomic(task.folder / _inside(name)) as path:
            path.write_bytes(files[name])
    for stale in task.folder.rglob(f"{CHECKPOINTS}/step-*.safetensors"):
        stale.unlink(missing_ok=True)


def moved(task: Task, scratch: Path) -> Task:
    """The task with its folder, and the folders of its needs, inside `scratch`."""
    needs = tuple(
        dataclasses.replace(need, folder=scratch / "needs" / need.folder.name, needs=())
        for need in task.needs
    )
    return dataclasses.replace(task, folder=scratch / "result" / task.folder.name, needs=needs)


def result_of_need(task: Task) -> dict[str, bytes]:
    """What others need of a finished task, by file."""
    files = {task.file.name: task.file.read_bytes()}
    for name in task.family.left_beside.get(task.kind, ()):
        if (task.folder / name).exists():
            files[name] = (task.folder / name).read_bytes()
    return files


def place_needs(task: Task, contents: list[Files]) -> None:
    """Puts what a moved task needs where it looks for it."""
    for need, files in zip(task.needs, contents, strict=True):
        for name, content in files.items():
            with atomic(need.folder / _inside(name)) as path:
                path.write_bytes(content)


def scratch_folder(sender: str, task: Task) -> Path:
    """Where a worker computes: the same folder for every attempt on one machine.

    So that an attempt whose predecessor was killed goes on from its checkpoints. `sender`
    names where the results are collected, since two experiments may run at a time.
    """
    name = hashlib.sha256(f"{sender}|{task.folder}".encode()).hexdigest()[:16]
    return _own_folder(Path(tempfile.gettempdir()) / f"handrail-{getpass.getuser()}") / name


def _own_folder(folder: Path) -> Path:
    """A folder that nobody else can write into: what lies in it is taken for what was computed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HandrailError(
            f"{folder} is not a folder that only you can write into, as what workers compute has "
            "to be: remove it, or set TMPDIR to a folder of your own"
        )
    return folder


def discard(scratch: Path) -> None:
    """Removes what has been packed."""
    shutil.rmtree(scratch, ignore_errors=True)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise HandrailError(f"a worker sent a file named {name!r}: not inside its folder")
    return path
