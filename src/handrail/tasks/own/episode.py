"""Environments of the user's whose episodes are recorded: how they are built, and which can be."""

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import Host
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.jax_libraries.own import OwnEnvironment


def rendering(make: Callable[..., Any]) -> Any:
    """The environment that `make` builds, rendering frames if it can, without a screen."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # of pygame, which many render with
    if "render_mode" in _parameters(make):
        return make(render_mode="rgb_array")
    env = make()
    spec = getattr(env, "spec", None)
    modes = getattr(env, "metadata", None) or {}
    if (
        getattr(env, "render_mode", None)
        or spec is None
        or "rgb_array" not in modes.get("render_modes", ())
    ):
        return env
    import gymnasium

    env.close()
    return gymnasium.make(spec, render_mode="rgb_array")


def _parameters(make: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}


def to_record(host: Host) -> GymnasiumHost:
    """The host, of whose episodes frames can be kept, if its environment was built to render
    `rgb_array`. Raises `HandrailError` for a compiled one, and for several side by side.
    """
    if isinstance(host, OwnEnvironment):
        raise HandrailError(
            f"{host.name} is compiled, and episodes are recorded of environments of Gymnasium: "
            "`handrail evaluate` tests the run, and handrail.load_policy acts in a loop of yours"
        )
    if not isinstance(host, GymnasiumHost):
        raise HandrailError(
            f"{host.name} is several environments side by side; name a function that builds one"
        )
    return host
