"""Runs that use what ships with the package in place of acquiring it."""

from collections.abc import Container
from pathlib import Path

from handrail.core.files import read_json
from handrail.knowledge.catalog import ShippedKnowledge
from handrail.knowledge.matching import matching, unlike
from handrail.tasks.family import Row

MOST_NAMED = 4
"""Settings in a sentence."""


def shipped_for(row: Row, files: Container[str], out: Path) -> dict[str, ShippedKnowledge]:
    """By kind, what a run in the folder `out` uses of the package, beside these kinds of files.

    A run that was begun with other knowledge keeps that.
    """
    begun = _needs(out)
    return {
        kind: one
        for kind, one in matching(row).items()
        if kind not in files and (not begun or one.checksum in begun)
    }


def sentence(one: ShippedKnowledge) -> str:
    """Says that a run uses it."""
    return (
        f"{one.kind}: {one.name}, which ships with handrail (`handrail knowledge show {one.name}`; "
        "--acquire trains one anew)"
    )


def unused(row: Row, files: Container[str], out: Path) -> list[str]:
    """A sentence for each file of the package that is not used only because a new run asks for
    knowledge of other settings: acquiring that takes minutes.
    """
    if _needs(out):
        return []
    return [
        f"{kind}: the one that ships ({one.name}) was made with other settings of "
        f"{', '.join(names[:MOST_NAMED])}{', …' if len(names) > MOST_NAMED else ''}, so it is not "
        f"used; to take it all the same: --{kind} {one.name}"
        for kind, (one, names) in unlike(row).items()
        if kind not in files
    ]


def _needs(folder: Path) -> list[str]:
    """What a run that was begun needs, as it recorded that."""
    path = folder / "run.json"
    needs = read_json(path).get("needs") if path.is_file() else None
    values = needs.values() if isinstance(needs, dict) else needs
    return [need for need in values or () if isinstance(need, str)]
