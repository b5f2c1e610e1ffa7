"""Names of settings in older versions: they are read under the new ones, with a warning."""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from handrail.core.errors import HandrailError
from handrail.core.plain_text import message

LOG = logging.getLogger(__name__)
Called = TypeVar("Called", bound=Callable[..., Any])

SETTINGS = {
    "GuideSettings": {
        "wander": "random_action_share",
        "insistence": "action_repeat_prob",
        "guard_episodes": "shield_episodes",
        "chosen": "selection",
    },
    "StudentRun": {
        "constraint": "multiplier_on",
        "margin": "limit_fraction",
        "tolerance": "cost_slack",
        "excursions": "guide_interval_share",
    },
    "SacSettings": {"block": "train_every"},
    "EncoderSettings": {"margin": "contrastive_margin"},
    "LavaEncoder": {"margin": "contrastive_margin"},
}
"""By class: old name → new name of a setting."""
VALUES = {
    "GuideSettings": {"selection": {"farthest": "return", "guard": "shield"}},
    "StudentRun": {
        "multiplier_on": {"stored": "replay_actions", "present": "policy_actions"},
        "method": {"sac": "sac-lagrangian"},
    },
}
"""By class and setting, under its new name: old value → new value."""
PLACES = {
    "run": "StudentRun",
    "run.learning": "SacSettings",
    "guide:": "GuideSettings",
    "guide:learning": "SacSettings",
    "expert:learning": "SacSettings",
    "pretrained:learning": "SacSettings",
    "encoder:": "EncoderSettings",
}
"""Where a `run.json` has settings of a class: below this name, or `purpose:` and a name."""
COLUMNS = {
    "guarded_cost": "shielded_cost",
    "guarded_share": "shielded_share",
    "foreseen": "takeover_cost",
}
"""Old name → new name of a column of a table, and of an entry of a card's evaluation."""
_WARNED: set[str] = set()


def warn_once(text: str) -> None:
    """Warns of an old name, once in a process."""
    if text not in _WARNED:
        _WARNED.add(text)
        LOG.warning("%s", text)


def takes_old_names(
    names: Mapping[str, str], values: Mapping[str, Mapping[str, str]] | None = None
) -> Callable[[Called], Called]:
    """A decorator: a function, or a class, takes arguments under their old names, with a warning.

    `names` are old → new; `values`, by the new name, old → new value. Raises `HandrailError` where
    an argument is given under both names.
    """

    def changed(called: Called) -> Called:
        is_class = isinstance(called, type)
        inner = called.__init__ if is_class else called

        @functools.wraps(inner)
        def with_new_names(*args: Any, **given: Any) -> Any:
            for old in given.keys() & names.keys():
                new = names[old]
                if new in given:
                    raise HandrailError(
                        f"{called.__name__}: {new} is also given under its old name {old}; "
                        f"leave {old} out"
                    )
                warn_once(f"{called.__name__}: the argument {old!r} is now called {new!r}")
                given[new] = given.pop(old)
            for name in given.keys() & (values or {}).keys():
                given[name] = _current(called.__name__, name, given[name], values or {})
            return inner(*args, **given)

        if not is_class:
            return with_new_names  # pyrefly: ignore
        called.__init__ = with_new_names
        return called

    return changed


def takes_old_settings(kind: type[Any]) -> type[Any]:
    """The same for a class of settings, whose old names are in `SETTINGS` and `VALUES`."""
    return takes_old_names(SETTINGS.get(kind.__name__, {}), VALUES.get(kind.__name__))(kind)


def current_columns(names: Iterable[str], source: str) -> list[str]:
    """Names of a table's columns as they are now, with a warning where some were renamed."""
    names = list(names)
    current = [current_column(name) for name in names]
    if current == names or len(set(current)) < len(current):
        return names
    old = [name for name, new in zip(names, current, strict=True) if name != new]
    warn_once(f"{source} has columns of an older version, {', '.join(old)}: read as today's")
    return current


def current_column(name: str) -> str:
    """A column's name as it is now, also that of one of several costs (`guarded_cost.effort`)."""
    first, dot, rest = name.partition(".")
    return f"{COLUMNS.get(first, first)}{dot}{rest}"


def _current(owner: str, name: str, value: Any, values: Mapping[str, Mapping[str, str]]) -> Any:
    renamed = values.get(name, {})
    if not isinstance(value, str) or value not in renamed:
        return value
    where = f"{owner}: " if owner else ""
    warn_once(f"{where}{name} = {value!r} is now called {renamed[value]!r}")
    return renamed[value]


def current_name(kind: type, name: str) -> str:
    """A setting's name as it is now, with a warning where it was renamed."""
    new = SETTINGS.get(kind.__name__, {}).get(name, name)
    if new != name:
        warn_once(f"the setting {name!r} is now called {new!r}")
    return new


def current_value(kind: type, name: str, value: Any) -> Any:
    """A setting's value as it is called now, with a warning where it was renamed."""
    return _current("", name, value, VALUES.get(kind.__name__, {}))


def migrated(recorded: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A `run.json` under today's names, with one warning that names `source` if any was renamed."""
    purpose, old = recorded.get("purpose"), []

    def read(tree: Mapping[str, Any], above: str) -> dict[str, Any]:
        kind = PLACES.get(above) or PLACES.get(f"{purpose}:{above}", "")
        names, values = SETTINGS.get(kind, {}), VALUES.get(kind, {})
        result, before = {}, f"{above}." if above else ""
        for key, value in tree.items():
            name = names.get(key, key)
            if name != key:
                old.append(f"{before}{key}")
            renamed = values.get(name, {})
            if isinstance(value, str) and value in renamed:
                old.append(f"{before}{name} = {value}")
                value = renamed[value]
            result[name] = read(value, f"{before}{name}") if isinstance(value, Mapping) else value
        return result

    result = read(recorded, "")
    if old:
        LOG.warning(
            "%s was written by an older version: %s read under new names",
            source,
            ", ".join(map(message, old)),
        )
    return result
