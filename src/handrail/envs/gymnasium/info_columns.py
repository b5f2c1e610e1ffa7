"""Numbers out of `info`, such as `is_success`, as columns of a run's tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.records import INFO
from handrail.envs.gymnasium.numbers import one_number


class InfoColumns:
    """What the info of each episode's last step says, in the order in which episodes ended."""

    def __init__(self, names: Sequence[str] = ()):
        several = isinstance(names, Sequence) and not isinstance(names, str)
        if not several or not all(
            isinstance(name, str) and name.isprintable() and name for name in names
        ):
            raise HandrailError(
                f"info_columns is {names!r}; expected names of numbers in info, such as "
                "['is_success']"
            )
        for name in names:
            if names.count(name) > 1:
                raise HandrailError(
                    f"info_columns has {name!r} twice; expected each name once: leave one out"
                )
            if "," in name or '"' in name:
                raise HandrailError(
                    f"info_columns has {name!r}; expected names without commas and quotation "
                    "marks, since tables are CSV files: rename it in info"
                )
        self.names = tuple(names)
        self._ended: list[dict[str, float]] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names in tables."""
        return tuple(INFO + name for name in self.names)

    def ended(self, info: Mapping[str, Any]) -> None:
        """An episode has ended, with the info of its last step. Raises `HandrailError`."""
        if not self.names:
            return
        found = {}
        for name in self.names:
            number = one_number(info.get(name))
            if number is None:
                raise HandrailError(
                    f"info[{name!r}] is {info.get(name)!r} at the end of an episode; expected a "
                    "number, as info_columns says"
                )
            found[INFO + name] = float(number)
        self._ended.append(found)

    def taken(self, count: int | None = None) -> list[dict[str, float]]:
        """Of the first `count` episodes that have not been taken yet, by column; all by default."""
        count = len(self._ended) if count is None else count
        found, self._ended = self._ended[:count], self._ended[count:]
        return found

    def means(self, what: str) -> dict[str, float]:
        """Means over all that have not been taken yet; names begin with `what`."""
        rows = self.taken()
        return {
            what + column: float(np.mean([row[column] for row in rows])) if rows else float("nan")
            for column in self.columns
        }
