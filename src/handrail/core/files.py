"""Files that are never half-written."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.strict_json import parse

MOST_JSON = 64 * 2**20
"""Bytes of a JSON file that is read; recorded episodes are the largest of ours."""
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # see `atomic`; the end is tempfile's


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that replaces it only if the block succeeds.

    What earlier writers of the same file left behind when they were killed is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, path.name)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise HandrailError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    held = _lock(handle)  # until the end, also by a kill: what is not locked is left over
    if not held:
        os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise HandrailError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if held:
            os.close(handle)
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Raises `HandrailError` where the results of hours could not be written in the end.

    Makes the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HandrailError(
            f"cannot write into {folder}: {error.strerror or error}; name another folder with --out"
        ) from None


def check_file(path: Path) -> None:
    """The same for one file, in a folder that is made."""
    if path.is_dir():
        raise HandrailError(f"{path} is a folder: name a file with --out")
    check_writable(path.parent)


def is_temporary(name: str, of: str | None = None) -> bool:
    """Whether a file is called as a temporary one of `atomic` (of the file `of`, if given)."""
    found = None if name.endswith(".progress") else _TEMPORARY.fullmatch(name)
    return found is not None and of in (None, found[1])


def sweep(folder: Path, of: str | None = None) -> None:
    """Removes the temporary files of writers that were killed; of the file `of`, if given."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            if is_temporary(entry.name, of) and entry.is_file(follow_symlinks=False):
                _remove_unlocked(Path(entry.path))


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object, or says which file cannot be read and where it breaks.

    Files of more than `MOST_JSON` bytes are refused unread, and what `strict_json` refuses.
    """
    try:
        if (size := path.stat().st_size) > MOST_JSON:
            raise HandrailError(f"{path} has {size:,} bytes; at most {MOST_JSON:,} are read")
        value = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HandrailError(f"{path} does not exist") from None
    except OSError as error:
        raise HandrailError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # also of JSON and of UTF-8
        raise HandrailError(f"{path} is damaged: {error}; restore or delete it") from None
    if not isinstance(value, dict):
        raise HandrailError(f"{path} is damaged: expected a JSON object; restore or delete it")
    return value


def _lock(handle: int) -> bool:
    """Whether the open file could be locked against `sweep`; not every system can."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove_unlocked(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        if _lock(handle):
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)
