"""Families of environments: which methods, settings and files of knowledge go with each."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from handrail.envs.lava.source import NAMES as LAVA_NAMES
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.navigation.rows import is_navigation
from handrail.experiments.navigation.settings import METHODS as NAVIGATION_METHODS
from handrail.experiments.navigation.settings import TASKS
from handrail.methods.contrastive.table import METHODS as LAVA_METHODS


@dataclasses.dataclass(frozen=True)
class Family:
    """Environments that the same methods run on."""

    name: str
    environments: tuple[str, ...]
    methods: tuple[str, ...]
    defaults: Mapping[str, Any]
    """Settings of `handrail train` where none is given; these alone may be given there."""
    files: tuple[str, ...]
    """Kinds of knowledge that a file may bring."""


LAVA = Family(
    "lava",
    LAVA_NAMES,
    tuple(LAVA_METHODS),
    {
        "method": "full-adaptive",
        "observation": "symbolic",
        "knowledge": "many",
        "preset": "recommended",
        "steps": 200_000,
    },
    ("prior", "encoder"),
)
NAVIGATION = Family(
    "navigation",
    tuple(TASKS),
    NAVIGATION_METHODS,
    # None: the paper's steps for the task
    {"method": "budget-switch", "preset": "recommended", "steps": None},
    ("guide", "expert", "pretrained"),
)
FAMILIES = (LAVA, NAVIGATION)


def family_of(environment: str) -> Family:
    """The family that an environment belongs to, by its name alone."""
    return NAVIGATION if is_navigation(environment) else LAVA


def with_defaults(settings: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not None, with the defaults of the environment's family.

    Raises `HandrailError` for a method, a setting or a file that belongs to another family, and
    `UnknownName` for a method that belongs to none.
    """
    family = family_of(settings["environment"])
    given = {name: value for name, value in settings.items() if value is not None}
    others = [other for other in FAMILIES if other is not family]
    method = given.get("method")
    for other in others:
        if method in other.methods and method not in family.methods:
            raise HandrailError(
                f"method {method!r} is for {other.name}; methods for {family.name} are "
                f"{', '.join(family.methods)}"
            )
        for name in given:
            if name in other.defaults and name not in family.defaults:
                raise HandrailError(
                    f"--{name} is for {other.name}; {settings['environment']} does not have it"
                )
        for kind, path in files.items():
            if path is not None and kind in other.files:
                raise HandrailError(
                    f"--{kind} is for {other.name}; {family.name} brings along "
                    f"{', '.join(family.files)}"
                )
    if method is not None and method not in family.methods:
        raise UnknownName(f"method for {family.name}", method, family.methods)
    defaults = {name: value for name, value in family.defaults.items() if value is not None}
    return {**defaults, **given}
