"""Which runs need not acquire their knowledge: those that ask for what ships."""

from collections.abc import Mapping
from typing import Any

from handrail.knowledge.catalog import ShippedKnowledge, shipped
from handrail.tasks.family import Row
from handrail.tasks.registry import family_of, with_defaults


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


def served(one: ShippedKnowledge, seed: int) -> Row:
    """The run of all defaults that this knowledge is for."""
    return _row(one.serves, seed)


def made(one: ShippedKnowledge, seed: int) -> Row:
    """The run whose knowledge was made with this seed."""
    return _row({**one.serves, **one.made}, seed)


def _row(settings: Mapping[str, Any], seed: int) -> Row:
    chosen = with_defaults({**settings, "seed": seed}, {})
    return family_of(chosen["environment"]).resolve(chosen)
