"""What a method is: one row of a table."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from handrail.interventions.base import Intervention
from handrail.learners.base import AbstractAgent


def unchanged(settings: Any) -> Any:
    """The settings as they are: what a method without settings of its own adjusts."""
    return settings


@dataclasses.dataclass(frozen=True)
class Method:
    """Who acts when, and what a run of the method brings along."""

    name: str
    """As commands, experiments and `run.json` call it."""
    summary: str
    """One line for lists and documentation."""
    intervention: Callable[[Any, Any], Intervention]
    """(settings of the run, its loaded knowledge) → WHEN × WHAT."""
    needs: tuple[str, ...] = ()
    """Kinds of knowledge that it brings along, such as `guide` or `prior`."""
    adjust: Callable[[Any], Any] = unchanged
    """Settings of a run → those that the method runs with, where it fixes some of them."""
    agent: Callable[[Any, Any], AbstractAgent] | None = None
    """(problem, settings of the run) → what learns; None: what the other methods of the table
    learn with."""


Row = TypeVar("Row", bound=Method)


def table(methods: Iterable[Row]) -> Mapping[str, Row]:
    """The methods by name, in their order."""
    methods = tuple(methods)
    assert len({method.name for method in methods}) == len(methods)  # one row a name
    return {method.name: method for method in methods}
