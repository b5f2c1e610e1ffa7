"""Environments by name."""

import inspect
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment
from handrail.envs.lava.make import make_lava
from handrail.envs.lava.source import NAMES as LAVA_NAMES
from handrail.envs.navigation.make import NAMES as NAVIGATION_NAMES
from handrail.envs.navigation.make import make_navigation
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS
from handrail.envs.velocity.tasks import VELOCITY_TASKS

PREFIX = "navigation-"


def names() -> tuple[str, ...]:
    """The short names of the environments that `make` makes."""
    return (*LAVA_NAMES, *NAVIGATION_NAMES)


def make(name: str, **options: Any) -> AbstractEnvironment:
    """The environment `name`, with the options of its family.

    MiniGrid crossings (`LavaCrossingS9N1` or `MiniGrid-LavaCrossingS9N1-v0`): `observation`,
    `layout`, `further`, `starts`, `window`, `random_looks_seed`, `lava_color`; see
    `handrail.envs.lava.make.make_lava`. Navigation on
    compiled physics (`navigation-static`): `variant`, `episode_length`, `rescue`; see
    `handrail.envs.navigation.make.make_navigation`.

    Raises `UnknownName` for an unknown environment or choice, `HandrailError` for options that
    do not fit.
    """
    if name in {**ARENA_TASKS, **VELOCITY_TASKS}:
        raise HandrailError(
            f"environment {name!r} is simulated by MuJoCo, on the host, and is no compiled one: "
            "train in it with `handrail train`, or step it as ArenaHost or VelocityHost of "
            "handrail.envs"
        )
    builder = make_navigation if name.startswith(PREFIX) else make_lava
    accepted = [option for option in inspect.signature(builder).parameters if option != "name"]
    wrong = sorted(set(options) - set(accepted))
    if wrong:
        raise HandrailError(
            f"environment {name!r} has no option {wrong[0]!r}; "
            f"its options are {', '.join(accepted)}"
        )
    return builder(name, **options)
