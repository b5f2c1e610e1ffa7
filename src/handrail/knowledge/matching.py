"""Which runs need not acquire their knowledge: those that ask for what ships."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from handrail.knowledge.catalog import ShippedKnowledge, shipped
from handrail.tasks.family import Row
from handrail.tasks.registry import family_of, with_defaults

APART = {"environment", "view"}
"""Knowledge that differs in one of these is of something else."""


def matching(row: Row) -> dict[str, ShippedKnowledge]:
    """By kind, what ships of the knowledge that a run brings along.

    Its settings have to be exactly the defaults of the run's task; seeds follow the run's.
    """
    found = {}
    for one in shipped():
        wanted = row.knowledge.get(one.kind)
        if wanted is not None and wanted == served(one, row.run.seed).knowledge[one.kind]:
            found[one.kind] = one
    return found


def unlike(row: Row) -> dict[str, tuple[ShippedKnowledge, tuple[str, ...]]]:
    """By kind, what ships for a run's task and observation, but was made with other settings than
    the run asks for, and the names of these; of several the one with the fewest.
    """
    found: dict[str, tuple[ShippedKnowledge, tuple[str, ...]]] = {}
    for one in shipped():
        wanted = row.knowledge.get(one.kind)
        ours = served(one, row.run.seed).knowledge[one.kind]
        if type(wanted) is not type(ours):  # those of users' environments have more fields
            continue
        names = tuple(_differing(wanted, ours, f"{one.kind}."))
        apart = {f"{one.kind}.{name}" for name in APART} & set(names)
        nearest = one.kind not in found or len(names) < len(found[one.kind][1])
        if nearest and not apart:
            found[one.kind] = one, names
    return {kind: pair for kind, pair in found.items() if pair[1]}  # the others are used


def _differing(own: Any, other: Any, prefix: str) -> Iterator[str]:
    """The dotted names in which two settings of one class differ."""
    for field in dataclasses.fields(own):
        values = getattr(own, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(values[0]) and type(values[0]) is type(values[1]):
            yield from _differing(*values, f"{prefix}{field.name}.")
        elif values[0] != values[1]:
            yield f"{prefix}{field.name}"


def served(one: ShippedKnowledge, seed: int) -> Row:
    """The run of all defaults that this knowledge is for."""
    return _row(one.serves, seed)


def made(one: ShippedKnowledge, seed: int) -> Row:
    """The run whose knowledge was made with this seed."""
    return _row({**one.serves, **one.made}, seed)


def _row(settings: Mapping[str, Any], seed: int) -> Row:
    chosen = with_defaults({**settings, "seed": seed}, {})
    return family_of(chosen["environment"]).resolve(chosen)
