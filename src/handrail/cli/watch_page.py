"""The report of runs that are going on, in a browser: `handrail watch --open`."""

import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from handrail.core.files import write_text
from handrail.report.run_page import write_run_page

EVERY = 10.0
"""Seconds between two versions of the page, and after which a browser reads it again."""
HEAD = '<meta charset="utf-8">'
RELOAD = f'{HEAD}\n<meta http-equiv="refresh" content="{EVERY:.0f}">'


class GrowingPage:
    """Writes the report of runs whenever they have grown, and opens it the first time.

    While runs go on a browser reads it again by itself; the last version does not say so.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        show: Callable[[str], object] = webbrowser.open,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._paths, self._show, self._clock = list(paths), show, clock
        self._written: float | None = None

    def __call__(self, folders: Sequence[Path], ended: bool) -> None:
        """The runs have grown, or all of them have ended."""
        now = self._clock()
        if not ended and self._written is not None and now - self._written < EVERY:
            return
        path, _ = write_run_page(self._paths)
        if not ended:
            text = path.read_text(encoding="utf-8")
            write_text(path, text.replace(HEAD, RELOAD, 1))
        if self._written is None:
            self._show(path.resolve().as_uri())
        self._written = now
