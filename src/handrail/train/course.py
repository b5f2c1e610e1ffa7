"""Courses: runs that ask for the chunks of their loops, whoever computes them.

A course is a generator. It yields a `Chunk` of its loop that it wants computed, is sent what came
out, writes its tables and checkpoints, and asks for the next one. By itself (`alone`) its loop
computes it; several courses may have theirs computed as one program (`train.vmapped`). Tables,
checkpoints and tests are written by the same code either way.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, get_args, runtime_checkable

from handrail.train.compiled import RunState
from handrail.train.health import used_up
from handrail.train.loops import AnyLoop

P = ParamSpec("P")
T = TypeVar("T")


@dataclasses.dataclass
class Chunk:
    """Blocks of a loop that a course wants computed."""

    loop: AnyLoop
    folder: Path
    """Of the run."""
    step: int
    """Environment steps before the chunk."""
    count: int
    """Blocks."""
    learn: bool
    """Whether they are learnt from."""
    given: RunState | None
    """Where the chunk begins; None where the course's last one ended."""

    def take(self) -> RunState | None:
        """`given`, which is not held any longer: there is room for few replays."""
        state, self.given = self.given, None
        return state


@dataclasses.dataclass
class Computed:
    """What came out of a chunk."""

    parts: tuple[Any, ...]
    """State, records and metrics as of `Loop.blocks`; the state before, or None if it is gone."""

    def take(self) -> tuple[Any, ...]:
        """`parts`, which are not held any longer."""
        parts, self.parts = self.parts, ()
        return parts


Course = Generator[Chunk, Computed, T]
"""Yields chunks, is sent what came out, and returns what a run returns."""


def alone(course: Course[T], chunk: Chunk | None = None) -> T:
    """Drives a course to its end; its loops compute its chunks. The first one may be known."""
    state: Any = None
    try:
        chunk = next(course) if chunk is None else chunk
        while True:
            given = chunk.take()
            before = state if given is None else given
            del given, state
            state, records, metrics = chunk.loop.blocks(before, chunk.count, learn=chunk.learn)
            good = None if used_up(before) else before
            computed = Computed((state, records, metrics, good))
            del before, good, records, metrics
            chunk = course.send(computed)
    except StopIteration as end:
        return end.value
    finally:
        course.close()


@runtime_checkable
class Coursed(Protocol[P, T]):
    """A function that trains by itself when it is called; `course` leaves the driving to others."""

    @property
    def course(self) -> Callable[P, Course[T]]:
        """The generator function."""
        ...

    def __call__(self, *args: P.args, **options: P.kwargs) -> T: ...


def bound(function: Any, first: Any) -> Any:
    """A `Coursed` function with its first argument given."""
    made: Any = functools.partial(function, first)
    made.course = functools.partial(function.course, first)
    return made


def by_itself(function: Callable[P, T]) -> Coursed[P, T]:
    """A function that trains in one go, as one with a course: nobody else computes its chunks."""

    def course(*args: P.args, **options: P.kwargs) -> Course[T]:
        nothing: Any = ()
        yield from nothing
        return function(*args, **options)

    @functools.wraps(function)
    def trained(*args: P.args, **options: P.kwargs) -> T:
        return function(*args, **options)

    made: Any = trained
    made.course = course
    return made


def coursed(course: Callable[P, Course[T]]) -> Coursed[P, T]:
    """Makes a generator function `Coursed`."""

    @functools.wraps(course)
    def trained(*args: P.args, **options: P.kwargs) -> T:
        return alone(course(*args, **options))

    signature = inspect.signature(course)
    returned = get_args(signature.return_annotation)[-1:] or (signature.empty,)
    made: Any = trained
    made.__signature__ = signature.replace(return_annotation=returned[0])
    made.course = course
    return made
