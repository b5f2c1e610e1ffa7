"""The families of tasks by name: the only dispatch on names."""

from collections.abc import Mapping
from typing import Any

from handrail.core.errors import HandrailError, UnknownName
from handrail.core.renamed import current_value
from handrail.tasks.family import Family
from handrail.tasks.lava.family import LAVA
from handrail.tasks.navigation.family import NAVIGATION
from handrail.tasks.own.family import OWN_ENVIRONMENTS
from handrail.tasks.velocity.family import VELOCITY

FAMILIES = (LAVA, NAVIGATION, VELOCITY)
"""Of handrail's own tasks."""
OWN = (
    "name an environment of your own MODULE:ID or MODULE:FUNCTION, or use the Python functions "
    "(handrail.train_dqn, handrail.train_guide, handrail.train_student, …)"
)


def family_of(environment: str) -> Family:
    """The family that an environment belongs to: one of `FAMILIES`, or that of the user's.

    Raises `UnknownName`, which lists all of them.
    """
    for family in FAMILIES if ":" not in environment else ():
        if family.knows(environment):
            return family
    if OWN_ENVIRONMENTS.knows(environment):
        return OWN_ENVIRONMENTS
    names = [name for family in FAMILIES for name in family.environments]
    error = UnknownName("environment", environment, names)
    error.args = (f"{error}; {OWN}",)
    raise error


def short_name(environment: str) -> str:
    """An environment's name without what its family's have in common, for pictures."""
    return environment.removeprefix(family_of(environment).prefix)


def look_at(environment: str, *, seed: int = 0) -> None:
    """Raises `HandrailError` if commands cannot train in the environment of this name.

    Takes milliseconds: nothing is compiled.
    """
    try:
        family_of(environment).look(environment, seed)
    except UnknownName:
        raise
    except HandrailError as error:
        text = str(error)
        raise HandrailError(text if OWN in text else f"{text}; {OWN}") from None


def with_defaults(settings: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not None, with the defaults of the environment's family.

    Raises `HandrailError` for a method, a setting or a file that belongs to another family, and
    `UnknownName` for a method that belongs to none. So does an environment that is no name.
    """
    environment = settings["environment"]
    if not isinstance(environment, str):
        raise HandrailError(
            f"environment is {environment!r}: expected a name, such as navigation-static"
        )
    family = family_of(environment)
    given = {name: value for name, value in settings.items() if value is not None}
    others = [other for other in FAMILIES if other is not family]
    method = given.get("method")
    if method is not None:
        method = given["method"] = current_value(family.run_type(method), "method", method)
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
            if path is not None and kind in other.kinds and kind not in family.kinds:
                raise HandrailError(
                    f"--{kind} is for {other.name}; {family.name} brings along "
                    f"{', '.join(family.kinds)}"
                )
    if method is not None and method not in family.methods:
        raise UnknownName(f"method for {family.name}", method, family.methods)
    defaults = {name: value for name, value in family.defaults.items() if value is not None}
    return family.completed({**defaults, **given})
