"""Arguments at the door: settings and plain numbers are converted and checked in one place.

A field says what it may be by its type: `discount: Discount = 0.99`. Whole floats (`1e5`), NumPy
and JAX numbers are taken as Python's own; a truth is no number; numbers are finite and in range.
Everything else is one `HandrailError` with name, value and what was expected.
"""

import dataclasses
import math
import operator
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from handrail.core import renamed
from handrail.core.errors import HandrailError, UnknownName

Settings = TypeVar("Settings")


@dataclasses.dataclass(frozen=True)
class Range:
    """Which finite numbers are allowed."""

    low: float = -math.inf
    """The least number."""
    high: float = math.inf
    """The greatest number."""
    above: bool = False
    """Whether `low` itself is excluded."""
    below: bool = False
    """Whether `high` itself is excluded."""
    words: str = ""
    """What the number is, for the error: "a share of the steps"."""

    def __contains__(self, number: float) -> bool:
        low = number > self.low if self.above else number >= self.low
        high = number < self.high if self.below else number <= self.high
        return low and high and math.isfinite(number)

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        high = f"{'below' if self.below else 'at most'} {self.high:.10g}"
        limits = [text for text, end in ((low, self.low), (high, self.high)) if math.isfinite(end)]
        if not limits and not self.words:
            return "a finite number"
        if len(limits) == 2 and not self.above and not self.below:
            limits = [f"from {self.low:g} to {self.high:.10g}"]
        return ", ".join(filter(None, (self.words, " and ".join(limits))))


@dataclasses.dataclass(frozen=True)
class AtMost:
    """The number is at most that of another field of the same settings."""

    field: str


Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
ShareOfSteps = Annotated[float, Range(0, 1, words="a share of the steps")]
ShareOfLimit = Annotated[float, Range(0, words="a share of the limit")]
Discount = Annotated[float, Range(0, 1, below=True)]
Spread = Annotated[float, Range(0, 1, below=True, words="how far a factor varies around 1")]
Count = Annotated[int, Range(1)]
"""A whole number of at least 1."""
NonNegativeInt = Annotated[int, Range(0)]
SEEDS = Range(0, 2**31 - 1)
MOST_WHOLE = 10**18
"""The largest whole number: int64 has it, and files with it can be read."""
Seed = Annotated[int, SEEDS]


def checked(settings: Settings, name: str = "") -> Settings:
    """Frozen settings with every field converted and in range, nested ones included.

    Raises `HandrailError`, which names the field below `name` ("learning").
    """
    prefix = f"{name}." if name else ""
    hints = typing.get_type_hints(type(settings), include_extras=True)
    fields = [field.name for field in dataclasses.fields(settings)]  # pyrefly: ignore
    old = {field: getattr(settings, field) for field in fields}
    new = {field: converted(old[field], hints[field], prefix + field) for field in fields}
    for field in fields:
        for other in [hint.field for hint in _extras(hints[field], AtMost)]:
            if new[field] > new[other]:
                raise HandrailError(
                    f"{prefix}{field} is {new[field]}: expected at most {prefix}{other}, "
                    f"{new[other]}"
                )
    changed = {field: new[field] for field in fields if new[field] is not old[field]}
    return dataclasses.replace(settings, **changed) if changed else settings  # pyrefly: ignore


def settings_of(name: str, given: Any, default: Settings) -> Settings:
    """Checked settings: `default` for None, `default` with what a dictionary says, or those given.

    `settings_of("learning", {"batch": 16, "hidden": [32]}, QLearning())`.
    """
    if given is None:
        return checked(default, name)
    if isinstance(given, Mapping):
        return checked(override(default, given, within=f"{name}."), name)
    return converted(given, type(default), name)


def override(settings: Settings, values: Mapping[Any, Any], *, within: str = "") -> Settings:
    """Frozen settings with fields replaced by dotted name, each converted and checked.

    Errors name the field with `within` ("guide.") before it. Raises `UnknownName` with the nearest
    whole name.
    """
    return _overridden(settings, values, within, (type(settings), within))


def whole(name: str, value: Any, *, least: int = 0, most: float = math.inf) -> int:
    """A whole number from `least` to `most`."""
    return converted(value, Annotated[int, Range(least, most)], name)


def number(name: str, value: Any, allowed: Range = Range(0)) -> float:
    """A finite number in a range, by default of at least 0."""
    return converted(value, Annotated[float, allowed], name)


def seed_number(value: Any, name: str = "seed") -> int:
    """A seed: a whole number from 0 to 2³¹ − 1."""
    return converted(value, Seed, name)


def truth(name: str, value: Any) -> bool:
    """True or False."""
    return converted(value, bool, name)


def choice(name: str, value: Any, known: Iterable[str]) -> str:
    """One of the known names. Raises `UnknownName`."""
    return converted(value, Literal[tuple(known)], name)  # pyrefly: ignore[invalid-literal]


def folder_of(value: Any, name: str = "folder") -> Path:
    """A path, with `~` for the home folder."""
    if not isinstance(value, str | Path) or not str(value).strip():
        raise HandrailError(f"{name} is {shown(value)}: expected a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise HandrailError(f"{name} is {shown(value)}: there is no such home folder") from None


def converted(value: Any, kind: Any, name: str, label: str = "") -> Any:
    """A value as the annotated kind; refuses what is not of that kind or not in its range.

    Kinds are bool, int, float, str, `Literal`, `X | None`, `tuple[X, ...]`, frozen settings, and
    any of these in `Annotated` with a `Range`. `label` is how the error calls it, by default
    `name`.
    """
    label = label or name
    bare, ranges = _bare(kind), _extras(kind, Range)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise UnknownName(f"value of {name!r}", str(value), arguments)
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        try:
            return converted(value, next(a for a in arguments if a is not type(None)), name, label)
        except HandrailError:
            raise HandrailError(f"{label} is {shown(value)}: expected {words(kind)}") from None
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise HandrailError(f"{label} is {shown(value)}: expected a list")
        entries = tuple(converted(entry, arguments[0], name, label) for entry in value)
        same = isinstance(value, tuple) and all(map(operator.is_, entries, value))
        return value if same else entries
    if dataclasses.is_dataclass(bare):
        if not isinstance(value, bare):  # pyrefly: ignore
            raise HandrailError(f"{label} is {shown(value)}: expected {words(kind)}")
        return checked(value, name)
    value = _plain(value)
    if bare is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    accepted = (int, float) if bare is float else bare
    if not isinstance(value, accepted) or (isinstance(value, bool) and bare is not bool):
        raise HandrailError(f"{label} is {shown(value)}: expected {words(kind)}")
    if bare is float and type(value) is not float:
        value = _as_float(int(value), label)
    if bare is int and abs(value) > MOST_WHOLE:
        raise HandrailError(
            f"{label} is {shown(value)}: expected {words(kind)}, of at most 18 digits"
        )
    if bare in (int, float):
        allowed = ranges[0] if ranges else Range()
        if value not in allowed:
            finite = (
                "" if math.isfinite(value) or str(allowed) == str(Range()) else "a finite number, "
            )
            raise HandrailError(f"{name} is {shown(value)}: expected {finite}{allowed}")
    return value


def shown(value: Any, most: int = 60) -> str:
    """A value for an error in one short line; of other objects their type."""
    plain = _plain(value)
    if plain is None or isinstance(plain, bool | int | float | str | list | tuple | dict | Path):
        text = repr(plain) if not isinstance(plain, int) or abs(plain) < 10**most else "a huge int"
    else:
        text = f"a {type(plain).__name__}"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _overridden(
    settings: Any, values: Mapping[Any, Any], within: str, root: tuple[type, str]
) -> Any:
    """All at once, since values may have to fit each other.

    `root` are the whole settings' type and name, among whose names the nearest is proposed.
    """
    hints = typing.get_type_hints(type(settings), include_extras=True)
    whole_ones: dict[str, tuple[str, Any]] = {}
    parts: dict[str, dict[str, Any]] = {}
    changed: dict[str, Any] = {}  # in the order in which they are said
    for name, value in values.items():
        group, dot, rest = str(name).partition(".")
        group, label = renamed.current_name(type(settings), group), f"setting {f'{within}{name}'!r}"
        if group not in hints:
            raise _unknown(type(settings), str(name), within, root)
        old = changed.setdefault(group, getattr(settings, group))
        if dataclasses.is_dataclass(old) and (dot or isinstance(value, Mapping)):
            parts.setdefault(group, {}).update({rest: value} if dot else value)
        elif dot:
            raise HandrailError(f"{label}: {within + group!r} has no parts")
        else:
            whole_ones[group] = label, value
            parts.pop(group, None)  # what was said of its parts before is gone
    for group, new in changed.items():
        if group in whole_ones:
            label, value = whole_ones[group]
            value = renamed.current_value(type(settings), group, value)
            new = converted(value, hints[group], within + group, label)
        if group in parts:
            new = _overridden(new, parts[group], f"{within}{group}.", root)
        changed[group] = new
    return dataclasses.replace(settings, **changed) if changed else settings


def _unknown(kind: type, name: str, within: str, root: tuple[type, str]) -> UnknownName:
    """The error for a name that is none, with the nearest whole one."""
    known = [root[1] + one for one in _names(root[0])]
    top = [within + field for field in typing.get_type_hints(kind)]
    return UnknownName(f"setting of {kind.__name__}", within + name, top, known)


def _names(kind: type, prefix: str = "") -> list[str]:
    """All dotted names of settings."""
    names = []
    for field, hint in typing.get_type_hints(kind).items():
        names.append(prefix + field)
        if dataclasses.is_dataclass(hint):
            names += _names(hint, f"{prefix}{field}.")  # pyrefly: ignore
    return names


def _bare(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _extras(kind: Any, wanted: type) -> list[Any]:
    """What `Annotated` says about a kind; the outermost first."""
    extras = typing.get_args(kind)[1:] if typing.get_origin(kind) is Annotated else ()
    return [extra for extra in reversed(extras) if isinstance(extra, wanted)]


def words(kind: Any) -> str:
    """A kind as errors and `--help` name it."""
    bare, ranges = _bare(kind), _extras(kind, Range)
    if typing.get_origin(bare) is Literal:
        return " | ".join(map(repr, typing.get_args(bare)))
    if typing.get_origin(bare) is tuple:
        return f"list of {words(typing.get_args(bare)[0])}"
    if typing.get_origin(bare) in (types.UnionType, typing.Union):
        return " | ".join(words(argument) for argument in typing.get_args(bare))
    name = "None" if bare is type(None) else getattr(bare, "__name__", str(bare))
    if dataclasses.is_dataclass(bare):
        return f"{name}, or a dictionary of its settings"
    return f"{name}, {ranges[0]}" if ranges else name


def _plain(value: Any) -> Any:
    """A NumPy or JAX number as Python's own."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _as_float(value: int, label: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise HandrailError(f"{label} is a huge int: expected a finite number") from None
