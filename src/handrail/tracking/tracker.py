"""Feeding the tables of runs, finished or going on, to sinks."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from handrail.core.errors import HandrailError, first_line
from handrail.core.files import read_json
from handrail.core.records import EPISODES, EVALUATIONS, PROGRESS
from handrail.tracking import tags
from handrail.tracking.base import AbstractSink, OpenSink
from handrail.tracking.tail import Tail

LOG = logging.getLogger(__name__)


class FollowedRun:
    """One run folder and the sinks that are fed from it."""

    def __init__(self, folder: Path, sinks: Sequence[AbstractSink], clock: Callable[[], float]):
        self._folder, self._sinks, self._clock = folder, sinks, clock
        self._tails = {name: Tail(folder / name) for name in (EPISODES, PROGRESS, EVALUATIONS)}
        self._before: dict[str, float] = {}
        self._seen_at: float | None = None
        self._timed = False
        self.ended = False

    def poll(self) -> None:
        """Passes on what is new; closes the sinks once the run has finished."""
        finished = (self._folder / "summary.json").exists()  # before tables are read to the end
        points = [(row["step"], tags.of_episode(row)) for row in self._tails[EPISODES].rows()]
        points += self._progress(self._tails[PROGRESS].rows())
        points += [
            (row["step"], tags.of_evaluation(row)) for row in self._tails[EVALUATIONS].rows()
        ]
        if finished and not self._timed:
            points += self._average_speed()
        for step, values in sorted(points, key=lambda point: point[0]):
            for sink in self._sinks:
                sink.scalars(int(step), values)
        for sink in self._sinks if points else ():
            sink.flush()
        if finished:
            self.close()

    def close(self) -> None:
        """Stops following."""
        if not self.ended:
            for sink in self._sinks:
                sink.close()
        self.ended = True

    def _progress(self, rows: list[dict[str, float]]) -> list[tuple[float, dict[str, float]]]:
        points = []
        now = self._clock()
        for row in rows:
            values = tags.of_progress(row, self._before)
            # tables hold no times, since these differ between equal runs: steps per second are
            # those between two rows that were seen to appear one at a time
            if len(rows) == 1 and self._seen_at is not None and now > self._seen_at:
                speed = (row["step"] - self._before["step"]) / (now - self._seen_at)
                values[tags.SPEED] = speed
                self._timed = True
            points.append((row["step"], values))
            self._before = row
        if rows:
            self._seen_at = now
        return points

    def _average_speed(self) -> list[tuple[float, dict[str, float]]]:
        summary = read_json(self._folder / "summary.json")
        steps, wall = summary.get("steps"), summary.get("wall_s")
        if isinstance(steps, int) and isinstance(wall, int | float) and steps > 0 and wall > 0:
            return [(steps, {tags.SPEED: steps / wall})]
        return []


class Tracker:
    """Follows run folders, each from the moment that it holds a run."""

    def __init__(self, openers: Sequence[OpenSink], *, clock: Callable[[], float] = time.monotonic):
        self._openers, self._clock = openers, clock
        self._runs: dict[Path, FollowedRun] = {}
        self._failed = False

    def poll(self, folders: Iterable[Path]) -> None:
        """Looks into the folders for what is new."""
        for folder in folders:
            if folder not in self._runs and (folder / "run.json").exists():
                settings = read_json(folder / "run.json")
                sinks = [opener(folder, settings) for opener in self._openers]
                self._runs[folder] = FollowedRun(folder, sinks, self._clock)
            run = self._runs.get(folder)
            if run is not None and not run.ended:
                run.poll()

    def try_poll(self, folders: Iterable[Path]) -> None:
        """The same beside a training, which no sink may stop: one that fails is given up, with a
        warning.
        """
        if self._failed:
            return
        try:
            self.poll(folders)
        except Exception as error:  # of a network, a service, a full disk
            self._failed = True
            LOG.warning(
                "curves are no longer sent (%s); training goes on, and `handrail tensorboard` "
                "makes them from the run's tables", first_line(error),
            )  # fmt: skip

    def all_ended(self, folders: Iterable[Path]) -> bool:
        """Whether all of them hold runs that have finished and been passed on."""
        return all(folder in self._runs and self._runs[folder].ended for folder in folders)

    def close(self) -> None:
        """Stops following."""
        for run in self._runs.values():
            run.close()


def run_folders(paths: Iterable[Path]) -> list[Path]:
    """The run folders at or below paths, each once; an error for a path without any."""
    found: dict[Path, None] = {}
    for path in paths:
        below = [file.parent for file in sorted(Path(path).rglob("run.json"))]
        if not below:
            raise HandrailError(f"{path} holds no run (no run.json in it or below)")
        found |= dict.fromkeys(below)
    return list(found)
