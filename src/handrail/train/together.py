"""Courses driven together: those whose loops are of one make are computed as one program.

A run among others is what it would be by itself, but for rounding. Which runs were computed as one
program, and in which order, is kept in each run's folder: the same program goes on after a kill,
to the byte, also where some of its runs have ended by then.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from handrail.core.files import read_json, write_json
from handrail.core.rows import padded_throughout
from handrail.envs.base import AbstractFiniteEnvironment
from handrail.train.compiled import Loop, RunState
from handrail.train.course import Chunk, Computed, Course, alone
from handrail.train.loops import AnyLoop
from handrail.train.vmapped import VmappedRuns, alike

T = TypeVar("T")
LOG = logging.getLogger(__name__)
RECORD = "vmapped.json"
"""In a run's folder: the runs of its program, in their order, and which of them it is."""


def together(courses: Sequence[Course[T]]) -> list[T | Exception]:
    """Drives courses to their ends; returns what each returned, or the exception that ended it.

    One that fails does not end the others. Loops that cannot share a program with another one, such
    as those on the host, are run one after the other.
    """
    return _Driver(courses).drive()


@dataclasses.dataclass
class _Program:
    """Runs that are computed together."""

    loops: list[Loop]  # by lane; that of a run that has ended is stood in for
    lanes: dict[int, int]  # by course


class _Driver:
    def __init__(self, courses: Sequence[Course[Any]]):
        self._courses = courses
        self._asked: dict[int, Chunk] = {}  # by course
        self._ends: dict[int, Any] = {}

    def drive(self) -> list[Any]:
        try:
            for index in range(len(self._courses)):
                self._go(index)
            while self._asked:
                programs, others = _programs(self._asked)
                for program in programs:
                    self._together(program)
                for index in others:
                    self._alone(index)
        finally:
            for course in self._courses:
                course.close()
        return [self._ends[index] for index in range(len(self._courses))]

    def _go(self, index: int, computed: Computed | None = None) -> None:
        """Lets a course go on until it asks for its next chunk, or ends."""
        course = self._courses[index]
        try:
            self._asked[index] = next(course) if computed is None else course.send(computed)
        except StopIteration as end:
            self._ends[index] = end.value
        except Exception as error:
            self._ends[index] = error

    def _alone(self, index: int) -> None:
        try:
            self._ends[index] = alone(self._courses[index], self._asked.pop(index))
        except Exception as error:
            self._ends[index] = error

    def _together(self, program: _Program) -> None:
        """Drives the courses of a program until they end, or go on with another loop."""
        states = _States(program.loops)
        own = {index: self._asked[index].loop for index in program.lanes}
        while True:
            asked = {
                index: self._asked[index]
                for index in program.lanes
                if index in self._asked and self._asked[index].loop is own[index]
            }
            if not asked:
                return
            for index, chunk in asked.items():
                if chunk.given is not None:
                    states.put(program.lanes[index], chunk.take())
            first = min(map(_what, asked.values()))
            due = [index for index, chunk in asked.items() if _what(chunk) == first]
            behind = [program.lanes[index] for index in asked if index not in due]
            _, count, learn = first
            records, metrics = states.advance(
                [program.lanes[index] for index in due], behind, count, learn=learn
            )
            for index in due:
                lane = program.lanes[index]
                del self._asked[index]
                parts = (states.of(lane), _part(records, lane), _part(metrics, lane), None)
                computed = Computed(parts)
                del parts
                self._go(index, computed)


class _States:
    """The states of a program's runs: side by side, or some of them apart.

    Runs are apart before their first chunk, and where one is behind the others: it was interrupted
    after another checkpoint, or looks for its last good state. The program is as wide as ever then,
    since another one might round otherwise.
    """

    def __init__(self, loops: Sequence[Loop]):
        self._program = VmappedRuns(loops)
        self._side_by_side: RunState | None = None
        self._apart: dict[int, RunState] = {}
        self._shapes: dict[int, Any] = {}  # of a run's own arrays, by lane

    def put(self, lane: int, state: Any) -> None:
        """Where a run begins."""
        self._apart[lane] = state
        self._shapes[lane] = jax.eval_shape(lambda: state)

    def of(self, lane: int) -> RunState:
        """A run's state."""
        if lane in self._apart:
            return self._apart[lane]
        assert self._side_by_side is not None  # every run begins with `put`
        return self._program.state_of(self._side_by_side, lane, self._shapes[lane])

    def advance(self, due: list[int], waiting: list[int], count: int, *, learn: bool) -> Any:
        """Records and metrics of a chunk of the runs that are due; the waiting ones stay."""
        if waiting or self._apart:
            for lane in waiting:
                self._apart[lane] = self.of(lane)
            states = {lane: self.of(lane) for lane in due}
            for lane in due:
                self._apart.pop(lane, None)
            filler = states[due[0]]  # of runs that have ended, or wait
            lanes = [states.get(lane, filler) for lane in range(self._program.runs)]
            self._side_by_side = None
            self._side_by_side = self._program.side_by_side(lanes)
            del states, lanes, filler
        assert self._side_by_side is not None
        states, self._side_by_side = self._side_by_side, None
        self._side_by_side, records, metrics = self._program.blocks(states, count, learn=learn)
        return jax.device_get((records, metrics))


def _what(chunk: Chunk) -> tuple[int, int, bool]:
    return chunk.step, chunk.count, chunk.learn


def _part(tree: Any, lane: int) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[lane], tree)


def _programs(asked: dict[int, Chunk]) -> tuple[list[_Program], list[int]]:
    """Programs of the courses that can share one, and the courses that cannot."""
    recorded: dict[tuple[str, ...], list[int]] = {}
    new: list[list[int]] = []
    others = []
    loops = {index: _padded(chunk.loop) for index, chunk in asked.items()}
    for index, chunk in asked.items():
        if not isinstance(chunk.loop, Loop):
            others.append(index)
            continue
        known = _recorded(chunk.folder)
        if known is not None:
            recorded.setdefault(known[0], []).append(index)
            continue
        for group in new:
            if alike(loops[group[0]], loops[index]):
                group.append(index)
                break
        else:
            new.append([index])
    programs = []
    for runs, group in recorded.items():
        lanes = {index: (_recorded(asked[index].folder) or (runs, 0))[1] for index in group}
        by_lane = {lane: loops[index] for index, lane in lanes.items()}
        stand_in = loops[group[0]]
        programs.append(_Program([by_lane.get(i, stand_in) for i in range(len(runs))], lanes))
    for group in new:
        if len(group) == 1:
            others += group
            continue
        names = [_name(asked[index].folder) for index in group]
        for lane, index in enumerate(group):
            write_json(asked[index].folder / RECORD, {"runs": names, "run": lane})
        lanes = {index: lane for lane, index in enumerate(group)}
        programs.append(_Program([loops[index] for index in group], lanes))
    if others and len(asked) > 1:
        names = ", ".join(asked[index].folder.name for index in others)
        LOG.warning("by themselves, since no other run here can share their program: %s", names)
    return programs, others


def _padded(loop: AnyLoop) -> Any:
    """The loop, with tables as long as those of all environments of its kind."""
    environment = loop.environment
    if not isinstance(environment, AbstractFiniteEnvironment) or environment.most_rows is None:
        return loop
    return padded_throughout(loop, environment.most_rows)


def _name(folder: Path) -> str:
    return "/".join(folder.absolute().parts[-2:])


def _recorded(folder: Path) -> tuple[tuple[str, ...], int] | None:
    """The runs of a run's program and its place among them, if it was begun in one."""
    path = folder / RECORD
    if not path.exists():
        return None
    entry = read_json(path)
    return tuple(entry["runs"]), entry["run"]
