"""The errors a user can cause: each names the value, what was expected and how to fix it."""

import difflib
from collections.abc import Sequence

_LONGEST = 100  # letters of a name for which one is proposed: comparing takes their square


class HandrailError(Exception):
    """A mistake in the input. The command line prints it as one line and exits with code 2."""


class UnknownName(HandrailError):
    """A name that is not in a registry; lists the names that are, and proposes the nearest.

    `proposed` are the names to look for it among, if not those that are listed.
    """

    def __init__(self, kind: str, name: str, known, proposed=None):
        known = sorted(known)
        close = nearest(str(name), known if proposed is None else sorted(proposed))
        hint = f"did you mean {close!r}? " if close else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The one of the known names that was probably meant, or None.

    A name is compared as a whole, and, since dotted names are often given without their first
    parts or with too many, with the ends of the known ones.
    """
    if len(name) > _LONGEST or name in known:
        return None
    ends: dict[str, str] = {}
    for one in sorted(known, key=lambda one: one.count(".")):
        parts = one.split(".")
        for first in range(len(parts)):
            ends.setdefault(".".join(parts[first:]), one)
    if name in ends:
        return ends[name]
    tail = name
    while tail := tail.partition(".")[2]:
        if tail in known:
            return tail
    for candidates in (known, ends):
        if found := difflib.get_close_matches(name, candidates, n=1):
            return ends[found[0]]
    return None


def first_line(error: BaseException) -> str:
    """What an error of another library says, without its further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
