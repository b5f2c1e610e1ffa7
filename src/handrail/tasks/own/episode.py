"""Recorded episodes in environments of the user's: frames that they render, and series."""

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.building import Host
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.interventions.base import Intervention
from handrail.train.rollout.base import RolloutPolicy
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode


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


def record_in(
    host: Host,
    policy: RolloutPolicy,
    intervention: Intervention,
    *,
    environment: str,
    method: str,
    acts: str,
    episodes: int,
    seed: int,
    longest: int,
) -> list[RecordedEpisode]:
    """Episodes of a policy under an intervention, in the agent's units, in an environment of the
    user's. `acts` names what acts instead; empty: nothing does. Frames are there if the environment
    was built to render `rgb_array`. Raises `HandrailError` for several environments side by side.
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
    return recorded_frames(
        host, host.env, policy, intervention, environment=environment, method=method, acts=acts,
        episodes=episodes, seed=seed, longest=longest,
    )  # fmt: skip
