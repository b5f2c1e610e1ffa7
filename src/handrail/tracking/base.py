"""Where scalars of a run go: event files, a web service. Sinks are fed from the run's tables.

Tables are the only record that a run keeps; a sink sees what they hold, later and elsewhere, so
runs need no knowledge of sinks and finished runs can be shown as well as running ones.
"""

import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class AbstractSink(abc.ABC):
    """Something that takes the scalars of one run, in the order of their steps."""

    @abc.abstractmethod
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Finite numbers by tag (`group/name`), after `step` environment steps."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Makes what was given so far visible to others."""

    @abc.abstractmethod
    def close(self) -> None:
        """The run has ended, or is no longer followed."""


OpenSink = Callable[[Path, Mapping[str, Any]], AbstractSink]
"""Opens a sink for a run: (its folder, its settings)."""
