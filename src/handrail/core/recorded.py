"""What a run has recorded, compared with what is asked for now."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from handrail.core.arguments import shown
from handrail.core.identity import UNIDENTIFIED
from handrail.core.plain_text import message
from handrail.core.renamed import SETTINGS, VALUES

PASSED = "passed"
"""Where `run.json` keeps the descriptions of what was passed in (`handrail.core.identity`)."""
BUILT_BY = "built_by"
"""In there, the description of what builds an environment that is known by a name."""
LATER = "later"  # in the metadata of a setting
MOST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Difference:
    """A setting that is recorded with another value than it has now."""

    name: str
    old: Any
    new: Any

    def __str__(self) -> str:
        values = (self.old, self.new)
        if any(isinstance(value, Mapping | list) and value for value in values) or any(
            isinstance(value, str) and "sha256:" in value for value in values
        ):
            return f"{message(self.name)} differs"
        old, new = ("absent" if value is _ABSENT else shown(value) for value in values)
        return f"{message(self.name)} was {old}, now {new}"


_ABSENT = object()  # stands for a setting that one side does not have


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What differs, and what could not be compared."""

    differing: tuple[Difference, ...]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        named = [str(difference) for difference in self.differing[:MOST_NAMED]]
        more = len(self.differing) - len(named)
        return ", ".join([*named, *([f"and {more} more"] if more else [])])


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Recorded settings and today's, both as JSON. What a run of an older version has not recorded
    of what was passed in, and what nobody can look into, is not compared but named.
    """
    differing, unknown = [], []
    for found in _compared(old, new, ""):
        (differing if isinstance(found, Difference) else unknown).append(found)
    return Comparison(tuple(differing), tuple(map(message, unknown)))


def mapping(value: Any) -> Mapping[str, Any]:
    """What was recorded, if it is a mapping as it should be; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def added_later(default: Any) -> Any:
    """The default of a setting of a dataclass that was added later: it is recorded where it has
    another value, so that older runs stay equal to today's.
    """
    return dataclasses.field(default=default, metadata={LATER: True})


def stable(settings: Any) -> dict[str, Any]:
    """Frozen settings as `run.json` has them: those that were `added_later` are left out at their
    default.
    """
    return {
        field.name: stable(value) if dataclasses.is_dataclass(value) else value
        for field, value in _recorded(settings)
    }


def original(settings: Any) -> dict[str, Any]:
    """The same under the first names of settings and values, for digests in names of folders."""
    kind = type(settings).__name__
    names = {new: old for old, new in SETTINGS.get(kind, {}).items()}
    result = {}
    for field, value in _recorded(settings):
        values = {new: old for old, new in VALUES.get(kind, {}).get(field.name, {}).items()}
        if dataclasses.is_dataclass(value):
            value = original(value)
        elif isinstance(value, str):
            value = values.get(value, value)
        result[names.get(field.name, field.name)] = value
    return result


def _recorded(settings: Any) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if LATER in field.metadata:
            factory = field.default_factory
            default = field.default if factory is dataclasses.MISSING else factory()
            if value == default:
                continue
        yield field, value


def _compared(old: Any, new: Any, name: str) -> Iterator[Difference | str]:
    """Differences, and the names of what could not be compared."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if UNIDENTIFIED in old and old == new:
            yield name
            return
        if name.endswith(".code") and set(map(type, (*old.values(), *new.values()))) == {str}:
            common = old.keys() & new.keys()
            if not common:
                yield name
            elif all(old[key] != new[key] for key in common):
                yield Difference(name, old, new)
            return
        for key in sorted(old.keys() | new.keys()):
            inner = f"{name}.{key}" if name else key
            if inner in (PASSED, f"{PASSED}.{BUILT_BY}") and key not in old:
                yield inner
                continue
            yield from _compared(old.get(key, _ABSENT), new.get(key, _ABSENT), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from _compared(before, now, f"{name}[{index}]")
    elif type(old) is not type(new) and not _numbers(old, new):
        yield Difference(name, old, new)
    elif old != new:
        yield Difference(name, old, new)


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
