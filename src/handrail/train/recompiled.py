"""Does a run compile its steps again and again? Each time takes as long as thousands of steps."""

import collections
import contextlib
import logging
from collections.abc import Iterator

from handrail.train.compiled import times_compiled

LOG = logging.getLogger(__name__)
MOST = 2
"""Compilations of one chunk's length that say nothing yet: a resumed state may differ in a type."""


class Recompilations:
    """Logs once that chunks of one length are compiled anew each time."""

    def __init__(self, name: str):
        self._name, self._said = name, False
        self._times: collections.Counter[tuple[int, bool]] = collections.Counter()

    @contextlib.contextmanager
    def watched(self, count: int, learn: bool) -> Iterator[None]:
        """Around a chunk of so many blocks, with or without learning."""
        before = times_compiled()
        yield
        self._times[count, learn] += times_compiled() > before
        if self._times[count, learn] > MOST and not self._said:
            self._said = True
            LOG.warning(
                "%s is compiled anew in every chunk, which takes most of the time: a part of it is "
                "not equal to itself from call to call; `handrail check-env` says more (rule "
                "'compiles once')",
                self._name,
            )
