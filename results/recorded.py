"""Raw data of this folder, as figures ask for it (`handrail.report.finished.Shown`)."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping

import numpy as np

from handrail.core.records import EPISODE_COLUMNS
from handrail.experiments.schema import Experiment, read
from handrail.methods.sagui.evaluations import STUDENT_COLUMNS
from handrail.methods.sagui.metrics import Curves
from results.tables import arrays_of, summary


@functools.cache
def _arrays(family: str, experiment: str) -> Mapping[str, np.ndarray]:
    with np.load(arrays_of(family, experiment)) as file:
        return {name: file[name] for name in file.files}


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Runs of an experiment that were gathered: some of its variants, by the names of a picture.

    Attributes:
        family: the folder of their rows.
        rows_of: what the rows call their experiment, such as `sagui-static-fresh-short`.
        of: the experiment of handrail that they are of, such as `sagui-static`.
        labels: the variants, in their order, and what the picture calls each.
    """

    family: str
    rows_of: str
    of: str
    labels: Mapping[str, str]

    @property
    def experiment(self) -> Experiment:
        """The experiment, with these variants alone and the environments in which they ran."""
        whole = read(self.of)
        published = {
            quantity: {self.labels[name]: by for name, by in found.items() if name in self.labels}
            for quantity, found in whole.published.items()
        }
        there = {row.get("environment") or row["task"] for row in self._found}
        return dataclasses.replace(
            whole,
            name=self.rows_of,
            variants={label: {} for label in self.labels.values()},
            environments=tuple(name for name in whole.environments if name in there),
            published=published,
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all of them."""
        return tuple(sorted({int(row["seed"]) for row in self._found}))

    @property
    def steps(self) -> int:
        """The longest run, in steps."""
        return max(int(float(row["steps"])) for row in self._found)

    def ran(self, environment: str) -> list[str]:
        """The variants, by their labels, that ran in an environment."""
        return [label for label in self.labels.values() if self._of(label, environment)]

    def values(self, variant: str, environment: str, quantity: str) -> np.ndarray:
        """One entry of the summaries, `(seeds,)`."""
        return np.array([float(row[quantity]) for row in self._of(variant, environment)])

    def episodes(self, variant: str, environment: str) -> list[Mapping[str, np.ndarray]]:
        """The columns of `episodes.csv`."""
        tables = self._tables(variant, environment)
        return [dict(zip(EPISODE_COLUMNS, table.T, strict=True)) for table in tables]

    def curves(self, variant: str, environment: str) -> list[Curves]:
        """The epochs of students."""
        tables = self._tables(variant, environment)
        return [Curves.of(dict(zip(STUDENT_COLUMNS, table.T, strict=True))) for table in tables]

    def limit(self, environment: str) -> float:
        """The limit of the students there."""
        (limit,) = {float(row["limit"]) for row in self._found if row["task"] == environment}
        return limit

    @property
    def digest(self) -> str:
        """SHA-256 of what a picture of them is drawn from."""
        found = hashlib.sha256(json.dumps([self.of, dict(self.labels), self._found]).encode())
        for environment in self.experiment.environments:
            for label in self.ran(environment):
                for table in self._tables(label, environment):
                    found.update(np.ascontiguousarray(table).tobytes())
        return found.hexdigest()

    @functools.cached_property
    def _found(self) -> list[dict[str, str]]:
        rows = summary(self.family, self.rows_of)
        return [row for row in rows if row["variant"] in self.labels]

    def _of(self, label: str, environment: str) -> list[dict[str, str]]:
        found = [
            row
            for row in self._found
            if self.labels[row["variant"]] == label
            and (row.get("environment") or row["task"]) == environment
        ]
        return sorted(found, key=lambda row: int(row["seed"]))

    def _tables(self, label: str, environment: str) -> list[np.ndarray]:
        arrays = _arrays(self.family, self.rows_of)
        return [
            arrays[f"{environment}/{row['variant']}/{row['seed']}"]
            for row in self._of(label, environment)
        ]
