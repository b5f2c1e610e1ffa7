"""The rows that a growing table has gained since one last looked."""

import csv
import math
from pathlib import Path

from handrail.core.errors import HandrailError
from handrail.core.records import MOST_STEPS, MOST_TEXT


class Tail:
    """Follows one CSV table whose first column `step` increases strictly.

    A run that was interrupted is cut back to its checkpoint and writes the same rows again:
    rows up to the last step given are not given twice.
    """

    def __init__(self, path: Path):
        self._path = path
        self._columns: list[str] = []
        self._offset = 0
        self._last = -1.0

    def rows(self) -> list[dict[str, float]]:
        """Whole new rows, by column, without cells that are empty or not finite.

        Raises `HandrailError` for a file that is there but cannot be read, or is no table.
        """
        try:
            with open(self._path, "rb") as file:
                text = self._unread(file)
            lines = list(csv.reader(text.decode("utf-8", errors="replace").splitlines()))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HandrailError(f"cannot read {self._path}: {error.strerror or error}") from None
        except csv.Error as error:
            raise HandrailError(f"{self._path} is damaged: {error}; restore or delete it") from None
        if self._offset == 0 and lines:
            self._columns, *lines = lines
        self._offset += len(text)
        rows = []
        for cells in lines:
            row = _numbers(self._columns, cells)
            if self._last < row.get("step", -1.0) <= MOST_STEPS:
                self._last = row["step"]
                rows.append(row)
        return rows

    def _unread(self, file) -> bytes:
        """What stands behind the last row read, up to the last whole line."""
        size = file.seek(0, 2)
        if self._offset:
            file.seek(min(self._offset, size) - 1 if size else 0)
            if size < self._offset or file.read(1) != b"\n":  # cut back meanwhile: read anew
                self._offset = 0
        file.seek(self._offset)
        text = file.read(MOST_TEXT)
        return text[: text.rfind(b"\n") + 1]


def _numbers(columns: list[str], cells: list[str]) -> dict[str, float]:
    if len(cells) != len(columns):
        return {}
    numbers = {}
    for name, cell in zip(columns, cells, strict=True):
        try:
            value = float(cell)
        except ValueError:
            continue
        if math.isfinite(value):
            numbers[name] = value
    return numbers
