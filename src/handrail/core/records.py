"""What a run leaves behind: append-only tables in its folder. Learners never read them.

A run folder holds `run.json` (everything about the run), `episodes.csv` (one row an episode),
`progress.csv` (one row a chunk), `environment.json` (what computed it), checkpoints, and,
once it has finished, `arrays.npz` and `summary.json`. A run that was interrupted is cut back to its
last checkpoint before it goes on, so its tables end up byte-identical to those of an uninterrupted
run.
"""

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.files import write_text
from handrail.core.renamed import current_columns

EPISODES = "episodes.csv"
PROGRESS = "progress.csv"
EVALUATIONS = "evaluations.csv"  # one row an epoch, where a run has epochs
POLICY = "policy.safetensors"  # the last one of a run
BEST = "best.safetensors"  # the best one so far; of a student, of those that kept the limit alone
TABLES = (EPISODES, PROGRESS, EVALUATIONS)
EPISODE_COLUMNS = ("step", "return", "cost", "length", "interventions")
ONE_OF_SEVERAL = "cost."  # and its name: a column for each of several costs
INFO = "info."  # and its name: a column for each number of info that was asked for
FURTHER = (ONE_OF_SEVERAL, INFO)
MOST_STEPS = 2**53  # beyond, a float is no count
MOST_TEXT = 2**28  # characters of a table that is read
_DIGITS = 18  # of a step


class GrowingTable:
    """A CSV file that only grows. Its first column is `step`: environment steps done."""

    def __init__(self, path: Path, columns: Iterable[str] | None = None):
        """Opens or begins a table; a header that a kill cut short is begun again.

        A table that an older version began keeps the columns that it has.
        """
        self.path = path
        header = self._header()
        self.columns = tuple(columns) if columns is not None else header
        known = tuple(current_columns(header, str(path)))
        if header and known != self.columns and set(known) <= set(self.columns):
            self.columns = known
        if header and known != self.columns:
            raise HandrailError(
                f"{path} has the columns {', '.join(header)}: expected {', '.join(self.columns)}"
            )
        if not header:
            if path.exists():
                path.unlink()
            if self.columns:
                self._append([self.columns])

    def add(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Appends rows; the first row of a new table fixes the columns."""
        rows = list(rows)
        if not rows:
            return
        if not self.columns:
            self.columns = tuple(rows[0])
            self._append([self.columns])
        self._append([[_text(row[name]) for name in self.columns] for row in rows])

    def cut(self, step: int) -> None:
        """Drops what was written after `step`, half-written lines included."""
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        header, *lines = text.splitlines(keepends=True)
        kept = [line for line in lines if _is_until(line, step, len(self.columns))]
        write_text(self.path, "".join([header, *kept]))

    def _header(self) -> tuple[str, ...]:
        if not self.path.exists():
            return ()
        with open(self.path, encoding="utf-8", errors="replace") as file:
            first = file.readline()
        return tuple(next(_cells([first], self.path))) if first.endswith("\n") else ()

    def _append(self, rows) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(text.getvalue())
        except OSError as error:
            raise HandrailError(f"cannot write {self.path}: {error.strerror or error}") from error


def rows_until(folder: Path, step: int) -> dict[str, int]:
    """How many whole rows the tables of a run have up to `step`, by file; those that exist."""
    counts = {}
    for name in TABLES:
        if (folder / name).exists():
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
            header, *lines = text.splitlines(keepends=True) or [""]
            columns = len(next(csv.reader([header]), []))
            counts[name] = sum(_is_until(line, step, columns) for line in lines)
    return counts


def sync(folder: Path) -> None:
    """Waits until the tables of a run are on the disk, so that no power cut shortens them."""
    for path in [folder / name for name in TABLES if (folder / name).exists()]:
        try:
            _sync(path)
        except OSError as error:
            raise HandrailError(f"cannot write {path}: {error.strerror or error}") from error
    with contextlib.suppress(OSError):  # their names; not every file system has this
        _sync(folder)


def read_table(
    path: Path, columns: Iterable[str] | None = None, *, growing: bool = False
) -> dict[str, np.ndarray]:
    """The columns of a CSV table as float64; an empty cell is NaN.

    `columns`, if given, are exactly those the table must have, but for those of several costs and
    numbers of info behind them. With `growing` a last line without its newline is dropped, since it
    is still being written.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read(MOST_TEXT + 1)
    except FileNotFoundError:
        raise HandrailError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise HandrailError(f"{path} is not a text file: {error}") from None
    except OSError as error:
        raise HandrailError(f"cannot read {path}: {error.strerror or error}") from None
    if len(text) > MOST_TEXT:
        raise HandrailError(f"{path} has more than {MOST_TEXT:,} characters, which no run writes")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        if not growing:
            raise HandrailError(
                f"{path}, line {len(lines)}: the file ends in the middle of a line; "
                "start the run again to repair it"
            )
        lines.pop()
    if not lines:
        raise HandrailError(f"{path}, line 1: no header")
    header, *rows = _cells(lines, path)
    header = current_columns(header, str(path))
    expected = header if columns is None else list(columns)
    behind = header[len(expected) :]
    if header != expected + [name for name in behind if name.startswith(FURTHER)]:
        raise HandrailError(
            f"{path}, line 1: columns are {', '.join(header)}; expected {', '.join(expected)}"
        )
    if not header or header[0] != "step" or len(set(header)) != len(header):
        raise HandrailError(
            f"{path}, line 1: expected different columns beginning with 'step', "
            f"not {', '.join(header)}"
        )
    values = np.empty((len(rows), len(header)))
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise HandrailError(
                f"{path}, line {number + 2}: {len(row)} cells, expected {len(header)}"
            )
        for column, cell in enumerate(row):
            try:
                values[number, column] = float(cell) if cell else np.nan
            except ValueError:
                raise HandrailError(
                    f"{path}, line {number + 2}: {header[column]} is {cell!r}, expected a number"
                ) from None
    strange = np.flatnonzero(~((values[:, 0] >= 0) & (values[:, 0] <= MOST_STEPS)))
    if strange.size:
        raise HandrailError(
            f"{path}, line {strange[0] + 2}: step is {values[strange[0], 0]:g}, expected a number "
            "of steps"
        )
    backward = np.flatnonzero(~(np.diff(values[:, 0]) >= 0))
    if backward.size:
        raise HandrailError(
            f"{path}, line {backward[0] + 3}: step is {values[backward[0] + 1, 0]:g} "
            f"after {values[backward[0], 0]:g}; steps must not decrease"
        )
    return dict(zip(header, values.T, strict=True))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cells(lines: list[str], path: Path) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error as error:
        raise HandrailError(f"{path} is no table: {error}") from None


def _is_until(line: str, step: int, columns: int) -> bool:
    """Whether a row was written to its end (a crash can leave half a row, or zeros), by `step`."""
    first = _first(line)
    if not line.endswith("\n") or line.count(",") + 1 != columns or not first.isdecimal():
        return False
    return len(first) <= _DIGITS and int(first) <= step


def _first(line: str) -> str:
    return line.split(",", 1)[0]


def _text(value: float) -> str:
    """Numbers in the shortest form that reads back as the same number."""
    if isinstance(value, int):
        return str(value)
    return repr(float(value)) if value == value else ""
