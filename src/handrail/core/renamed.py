"""Names of settings in older versions: they are read under the new ones, with a warning."""

import logging
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger(__name__)
RENAMED: dict[str, str] = {}
"""Old name → new name, both whole: of a setting `GuideSettings.wander`, in a `run.json`
`run.wander`, or `own guide:wander` in one with that purpose; "" for what is recorded no more."""
RENAMED_VALUES: dict[str, dict[str, str]] = {}
"""By the new name, whole as above: old value → new value."""


def current_name(kind: type, name: str) -> str:
    """A setting's name as it is now, with a warning where it was renamed."""
    new = RENAMED.get(f"{kind.__name__}.{name}")
    if new is None:
        return name
    new = new.partition(".")[2]
    LOG.warning("the setting %r is now called %r", name, new)
    return new


def current_value(kind: type, name: str, value: Any) -> Any:
    """A setting's value as it is called now, with a warning where it was renamed."""
    renamed = RENAMED_VALUES.get(f"{kind.__name__}.{name}", {})
    if not isinstance(value, str) or value not in renamed:
        return value
    LOG.warning("%s = %r is now called %r", name, value, renamed[value])
    return renamed[value]


def migrated(recorded: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A `run.json` under today's names, with one warning that names `source` if any was renamed."""
    purpose, old = recorded.get("purpose"), []

    def whole(name: str) -> tuple[str, str]:
        return f"{purpose}:{name}", name

    def read(tree: Mapping[str, Any], above: str) -> dict[str, Any]:
        result = {}
        for key, value in tree.items():
            name = key
            for known in whole(above + key):
                if known in RENAMED:
                    old.append(above + key)
                    name = RENAMED[known].rpartition(":")[2].removeprefix(above)
            for known in whole(above + name):
                renamed = RENAMED_VALUES.get(known, {})
                if isinstance(value, str) and value in renamed:
                    old.append(f"{above}{name} = {value}")
                    value = renamed[value]
            if not name:
                continue
            nested = isinstance(value, Mapping)
            result[name] = read(value, f"{above}{name}.") if nested else value
        return result

    result = read(recorded, "")
    if old:
        LOG.warning(
            "%s was written by an older version: %s read under new names",
            source,
            ", ".join(map(printable, old)),
        )
    return result


def printable(text: str) -> str:
    """A name out of a file without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
