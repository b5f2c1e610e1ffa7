"""Environments, and functions of the user's, as commands and experiment files name them."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from handrail.core.errors import HandrailError, first_line
from handrail.envs.base import AbstractEnvironment


def factory(target: str) -> Callable[[], Any]:
    """What builds the environment of `MODULE:CALLABLE`, `MODULE:ID` or a registered `ID`, or gives
    the compiled one of `MODULE:NAME`.

    The module is imported first, so that it can register its environments.
    """
    import gymnasium

    module_name, colon, name = target.partition(":")
    if not colon:
        module_name, name = "", target
    if not name:
        raise HandrailError(f"{target!r} names no environment; expected MODULE:ID, such as {_HINT}")
    if module_name:
        found = getattr(_module(module_name), name, None)
        if callable(found):
            return found
        if isinstance(found, AbstractEnvironment):
            return lambda: found
        if found is not None:
            raise HandrailError(
                f"{target!r} is a {type(found).__name__}; expected a function or class that builds "
                "an environment, or the id of a registered one"
            )
    try:
        gymnasium.spec(name)
    except Exception as error:
        where = f"{module_name} has no {name!r}, and " if module_name else ""
        raise HandrailError(
            f"{where}Gymnasium does not know {name!r} ({first_line(error)}); "
            f"expected MODULE:ID or MODULE:FUNCTION, such as {_HINT}"
        ) from None
    # Gymnasium's own checker would warn of what is reported here
    return lambda: gymnasium.make(name, disable_env_checker=True)


COST = "a function (obs, action, next_obs, info) -> cost"


def attribute(target: str, option: str, what: str = COST) -> Any:
    """The function, or other callable thing, that `MODULE:NAME` names; `what` is for the error."""
    module_name, _, name = target.partition(":")
    found = getattr(_module(module_name), name, None) if module_name and name else None
    if not callable(found):
        raise HandrailError(f"{option} {target!r}: expected MODULE:NAME of {what}")
    return found


MODULES = "HANDRAIL_MODULES"
"""The environment variable with a folder in which modules of the user's are looked for."""
_HINT = "minigrid:MiniGrid-LavaGapS5-v0"


def _module(name: str) -> Any:
    # A console script does not look into the current folder, where a user's own module is; a
    # worker elsewhere is told the folder of the command.
    for folder in (os.environ.get(MODULES), ""):
        if folder is not None and folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise HandrailError(f"cannot import the module {name!r}: {error}") from None
    except Exception as error:
        raise HandrailError(
            f"importing the module {name!r} raised {type(error).__name__}: {error}"
        ) from error
