"""Reads run folders: the only part of the report that knows how a run is stored.

A run folder holds `run.json` (what was run), `episodes.csv`, `progress.csv`, and once the run
has finished `summary.json` and perhaps `*.npz`. A file that does not read as expected is an
error that names the file and the line. One thing is forgiven: the half-written last line of
a run which is still going on.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.records import EPISODE_COLUMNS, EPISODES, EVALUATIONS, PROGRESS, read_table
from handrail.core.versions import ENVIRONMENT
from handrail.report.curves import cumulative, rolling_mean

MOST_BYTES = 2**31
"""Of the arrays of a run, unpacked."""
# RuntimeError, of which NotImplementedError is one: a compression or encryption of others;
# MemoryError: a shape that no bytes stand for
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError, MemoryError,
    SyntaxError,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run as its folder tells it."""

    folder: Path
    settings: Mapping[str, Any]  # run.json
    episodes: Mapping[str, np.ndarray]  # columns of episodes.csv, `(episodes,)` each
    progress: Mapping[str, np.ndarray]  # columns of progress.csv, `(chunks,)` each
    summary: Mapping[str, Any] | None  # None while the run has not finished
    evaluations: Mapping[str, np.ndarray] = field(default_factory=dict)  # a row an epoch, if any
    versions: Mapping[str, Any] = field(default_factory=dict)  # the last of environment.json

    @property
    def finished(self) -> bool:
        """Whether the run has reached its last step."""
        return self.summary is not None

    @property
    def last_step(self) -> int:
        """Steps that it has recorded."""
        ends = [table["step"][-1] for table in (self.progress, self.episodes) if len(table["step"])]
        return int(max(ends, default=0))

    def __getitem__(self, name: str) -> Any:
        """A setting by name, or by dotted name where settings are nested."""
        if name in self.settings:
            return self.settings[name]
        value: Any = self.settings
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise HandrailError(f"{self.folder / 'run.json'}: no entry {name!r}")
            value = value[part]
        return value

    def arrays(self, name: str = "arrays") -> dict[str, np.ndarray]:
        """The arrays of `<name>.npz` in the run folder."""
        path = self.folder / f"{name}.npz"
        try:
            with zipfile.ZipFile(path) as members:
                size = sum(member.file_size for member in members.infolist())
            if size > MOST_BYTES:
                raise ValueError(f"{size:,} bytes of arrays; at most {MOST_BYTES:,} are read")
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as loaded:
                return dict(loaded)
        except FileNotFoundError:
            raise HandrailError(f"{path} does not exist: the run recorded no {name}") from None
        except _DAMAGED as error:
            raise HandrailError(f"{path} is damaged: {error}; delete the run and redo it") from None


def read_run(folder: Path | str) -> Run:
    """The run in `folder`, finished or not."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        inside = sorted(path.parent.name for path in folder.glob("*/run.json"))
        fix = f"; there are runs inside of it: {', '.join(inside[:8])}" if inside else ""
        raise HandrailError(f"{folder} holds no run: there is no run.json in it{fix}")
    settings = read_json(folder / "run.json")
    summary = read_json(folder / "summary.json") if (folder / "summary.json").exists() else None
    growing = summary is None
    episodes = _table(folder / EPISODES, EPISODE_COLUMNS, growing)
    progress = _table(folder / PROGRESS, None, growing)
    evaluations = {}
    if (folder / EVALUATIONS).exists():
        evaluations = _table(folder / EVALUATIONS, None, growing)
    return Run(folder, settings, episodes, progress, summary, evaluations)


def read_what_is_there(folder: Path | str) -> tuple[Run, list[str]]:
    """The run in `folder` as far as it can be read, and a line for everything that cannot.

    Never raises for what lies in the folder: a table that is damaged is empty, and so are settings.
    """
    folder, lacking = Path(folder), []

    def of(name: str, read: Callable[[Path], Any], empty: Any) -> Any:
        try:
            return read(folder / name)
        except (HandrailError, OSError, ValueError) as error:
            lacking.append(str(error))
            return empty

    def table(columns: tuple[str, ...] | None) -> Callable[[Path], dict[str, np.ndarray]]:
        return lambda path: _table(path, columns, True)

    settings = of("run.json", read_json, {})
    ended = (folder / "summary.json").exists()
    summary = of("summary.json", read_json, None) if ended else None
    if not ended:
        lacking.append(f"{folder} has not finished: it has no summary.json")
    nothing = {column: np.zeros(0) for column in EPISODE_COLUMNS}
    episodes = of(EPISODES, table(EPISODE_COLUMNS), nothing)
    progress = of(PROGRESS, table(None), {"step": np.zeros(0)})
    evaluations = {}
    if (folder / EVALUATIONS).exists():
        evaluations = of(EVALUATIONS, table(None), {})
    if not len(episodes["step"]):
        lacking.append(f"{folder} has no finished episode")
    return Run(
        folder, settings, episodes, progress, summary, evaluations, computed_by(folder)
    ), lacking


def computed_by(folder: Path) -> dict[str, Any]:
    """What computed the run last, and `commands` and `commits` of all parts of it; nothing where
    that is not known.
    """
    try:
        found = read_json(folder / ENVIRONMENT).get("environments")
    except (HandrailError, OSError):
        return {}
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def texts(name: str) -> list[str]:
        return [one[name] for one in known if isinstance(one.get(name), str)]

    return {**known[-1], "commands": texts("command"), "commits": texts("commit")} if known else {}


def _table(path: Path, columns: tuple[str, ...] | None, growing: bool) -> dict[str, np.ndarray]:
    """A table of a run; a run that has only begun has none yet, or an empty one."""
    if growing and not (path.exists() and path.stat().st_size > 0):
        return {column: np.zeros(0) for column in columns or ("step",)}
    return read_table(path, columns, growing=growing)


def learning_curves(
    tables: Iterable[Mapping[str, np.ndarray]],
    steps: np.ndarray,
    window: float,
    column: str = "return",
) -> np.ndarray:
    """`(runs, points)`: rolling means of a column of their episodes; see `curves.rolling_mean`."""
    return np.stack([rolling_mean(own["step"], own[column], steps, window) for own in tables])


def cumulative_curves(
    tables: Iterable[Mapping[str, np.ndarray]], steps: np.ndarray, column: str = "cost"
) -> np.ndarray:
    """`(runs, points)`: a column of their episodes summed so far, such as violations."""
    return np.stack([cumulative(own["step"], own[column], steps) for own in tables])


def summary_values(runs: Iterable[Run], name: str) -> np.ndarray:
    """`(runs,)`: one entry of the summaries of finished runs, null as NaN."""
    values = []
    for run in runs:
        if run.summary is None:
            raise HandrailError(f"{run.folder} has not finished, so it has no {name}")
        if name not in run.summary:
            raise HandrailError(f"{run.folder / 'summary.json'}: no entry {name!r}")
        value = run.summary[name]
        values.append(np.nan if value is None else float(value))
    return np.asarray(values)
