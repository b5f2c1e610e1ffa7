"""Environments as users name them: an id, or a function that builds one or several."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.envs.gymnasium_host import GymnasiumHost
from handrail.envs.gymnasium_vector import GymnasiumVectorHost
from handrail.envs.host_costs import CostFn
from handrail.envs.raw import refuse_guarded
from handrail.envs.vector_wrappers import copy_of
from handrail.errors import HandrailError

Environment = Any
"""The id of a registered environment, or a function (such as a class) that builds one, or a
`gymnasium.vector.VectorEnv` of several.
"""
Host = GymnasiumHost | GymnasiumVectorHost


def build_host(
    environment: Environment,
    *,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
) -> Host:
    """A fresh environment of this id, or from this function, on the host."""
    if isinstance(environment, str):
        import gymnasium

        try:
            env = gymnasium.make(environment)
        except Exception as error:
            raise HandrailError(
                f"cannot make the environment {environment!r}: {error} (import the module that "
                "registers it, or give a function that builds it)"
            ) from error
    elif isinstance(environment, type) or not hasattr(environment, "step"):
        env = environment()  # a class is such a function, too
    else:
        raise HandrailError(
            f"the environment is a {type(environment).__name__}; expected the id of a registered "
            "environment or a function that builds one (lambda: ...), since training and "
            "evaluation each need their own"
        )
    refuse_guarded(env)
    return host_of(env, cost, limits=limits, parts=parts)


def host_of(
    env: Any,
    cost: CostFn | None = None,
    *,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
) -> Host:
    """An environment, or several side by side, on the host."""
    kind = GymnasiumVectorHost if hasattr(env, "num_envs") else GymnasiumHost
    return kind(env, cost, limits=limits, parts=parts)


def first_observation(host: Host, *, key: Key[Array, ""]) -> Any:
    """What an episode with this key begins with; of several side by side, the first one's."""
    if isinstance(host, GymnasiumHost):
        return host.reset(key=key)
    keys = jnp.stack([key] * host.copies)
    return copy_of(host.reset(np.ones(host.copies, np.bool_), keys=keys), 0)


@contextlib.contextmanager
def closed_after(*hosts: Host) -> Iterator[None]:
    """Closes those that are several side by side: processes of theirs may be waiting."""
    try:
        yield
    finally:
        for host in hosts:
            if isinstance(host, GymnasiumVectorHost):
                host.close()


def episode_steps(host: Host, given: int | None) -> int:
    """The time limit in steps: as given, or as the environment was registered with."""
    steps = host.time_limit if given is None else given
    if steps is None:
        raise HandrailError(
            f"{host.name} says nothing of its time limit (max_episode_steps); give episode_length"
        )
    if steps < 1:
        raise HandrailError(f"episode_length is {steps}: expected a positive number of steps")
    return int(steps)


def episode_limit(host: Host, given: float | None) -> float:
    """The cost limit of an episode, undiscounted: as given, or that of several combined costs."""
    if given is None and host.limit is None:
        raise HandrailError(
            "give limit, the expected undiscounted cost of an episode that is allowed (such as 5.0)"
        )
    if given is not None and host.limit is not None:
        raise HandrailError(
            f"limit is {given} and limits are given, too: several named costs have the limits that "
            "`limits` says; leave `limit` out"
        )
    return float(host.limit if given is None else given)  # pyrefly: ignore[bad-argument-type]


def named(function: Any) -> str | None:
    """A function as a run's record names it: what it computes cannot be recorded."""
    if function is None or isinstance(function, str):
        return function
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
