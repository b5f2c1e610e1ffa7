"""Environments as users name them: an id, a function that builds one or several, or a compiled
one.
"""

import contextvars
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.core.arguments import number, shown
from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment, action_size
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.gymnasium.layers import is_shared, simulators
from handrail.envs.gymnasium.raw import refuse_guarded
from handrail.envs.gymnasium.reader import checked_time_limit
from handrail.envs.gymnasium.side_info import NO_SIDE_INFO, SideInfo
from handrail.envs.gymnasium.vector import GymnasiumVectorHost
from handrail.envs.jax_libraries.own import OwnEnvironment, own_environment
from handrail.envs.vector_host import copy_of
from handrail.interventions.base import Intervention

Environment = Any
"""The id of a registered environment, or a function (such as a class) that builds one, or a
`gymnasium.vector.VectorEnv` of several; or a compiled environment (`AbstractEnvironment`, such as
of `from_gymnax` or `from_brax`), or a function that builds it.
"""
Host = GymnasiumHost | GymnasiumVectorHost | OwnEnvironment
_open: contextvars.ContextVar[tuple[Host, ...] | None] = contextvars.ContextVar(
    "open", default=None
)
"""What calls of `closes_environments` that have not returned have built; None outside of them."""
P = ParamSpec("P")
R = TypeVar("R")
LOG = logging.getLogger(__name__)


def closes_environments(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, which closes what `build_host` has built in it when it returns or raises."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        outer = _open.get()
        _open.set(outer or ())
        try:
            return function(*args, **kwargs)
        finally:
            built = [host for host in _open.get() or () if not _among(host, outer or ())]
            _open.set(outer)
            for host in built:
                _close(host)

    return call


def build_host(
    environment: Environment, *, watched: bool = False, warn_of_scales: bool = False, **options: Any
) -> Host:
    """A fresh environment of this id, or from this function, on the host; or a compiled one.

    `options` are those of `host_of`. Where it is `watched`, as in training, observations outside
    their space are warned of, and with `warn_of_scales` parts in wildly different scales. Within a
    function that `closes_environments` it is closed at its end. Raises `HandrailError` for images
    that no network can read, and where the function has given this environment before and it is
    still in use.
    """
    env = built(environment)
    if isinstance(env, AbstractEnvironment):
        return host_of(env, **options)
    refuse_guarded(env)
    own, in_use = simulators(env), _open.get()
    same = [
        host
        for host in in_use or ()
        if not isinstance(host, OwnEnvironment) and is_shared([*own, *simulators(host.env)])
    ]
    if same:
        # it is the user's, who may go on with it
        _open.set(tuple(host for host in in_use or () if not _among(host, same)))
        raise HandrailError(
            f"the function that builds the environment gave one {type(env).__name__} twice, but "
            f"training and evaluation each need their own: {_NEW}"
        )
    try:
        host = host_of(env, **options)
        if not isinstance(host, OwnEnvironment):
            host.prepare_for_networks()
            if watched:
                host.watch_observations(warn_of_scales=warn_of_scales)
    except BaseException:
        _close(env)
        raise
    if in_use is not None:
        _open.set((*in_use, host))
    return host


def built(environment: Environment) -> Any:
    """A fresh environment of this id, or from this function, as it is: no host."""
    if isinstance(environment, str):
        import gymnasium

        try:
            return gymnasium.make(environment)
        except Exception as error:
            raise HandrailError(
                f"cannot make the environment {environment!r}: {_said(error)} (import the module "
                "that registers it, or give a function that builds it)"
            ) from error
    if isinstance(environment, AbstractEnvironment):
        return environment  # nothing in it changes, so it may be used twice
    if isinstance(environment, type) or not hasattr(environment, "step"):
        return _called(environment)  # a class is such a function, too
    for library, needed in (("gymnax", "step_env"), ("brax", "action_size")):
        if hasattr(environment, needed):
            raise HandrailError(
                f"the environment is a {type(environment).__name__} of another JAX library: wrap "
                f"it, as handrail.from_{library}(environment, cost=...)"
            )
    raise HandrailError(
        f"the environment is a {type(environment).__name__}; expected the id of a registered "
        "environment or a function that builds one, since training and evaluation each need "
        f"their own: {_NEW}"
    )


def built_twice(
    environment: Environment, *, warn_of_scales: bool, **options: Any
) -> tuple[Host, Host]:
    """One environment for training and another for its tests, as of `build_host`; a compiled one
    serves for both.
    """
    host = build_host(environment, watched=True, warn_of_scales=warn_of_scales, **options)
    if isinstance(host, OwnEnvironment):
        return host, host
    return host, build_host(environment, **options)


def host_of(
    env: Any,
    cost: CostFn | None = None,
    *,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int | None = None,
    info_columns: Sequence[str] = (),
    side_info: SideInfo = NO_SIDE_INFO,
) -> Host:
    """An environment, or several side by side, on the host; a compiled one as agents need it."""
    options: Any = {
        "limits": limits, "parts": parts, "episode_length": episode_length, "side_info": side_info,
    }  # fmt: skip
    if isinstance(env, AbstractEnvironment):
        if info_columns:
            raise HandrailError(
                f"info_columns is {list(info_columns)}, but a compiled environment's steps have no "
                "info: leave it out, or give an environment of Gymnasium"
            )
        if side_info.action_mask:
            raise HandrailError(
                "action_mask is true, but a compiled environment's steps have no info: leave it "
                "out, or give an environment of Gymnasium"
            )
        return _compiled(env, cost, limits, parts, episode_length)
    if not hasattr(env, "num_envs"):
        return GymnasiumHost(env, cost, info_columns=info_columns, **options)
    if info_columns:
        raise HandrailError(
            "info_columns are read of one environment; give a function that builds one, not a "
            "vector of them"
        )
    return GymnasiumVectorHost(env, cost, **options)


FOR_DISCRETE = (
    "guides and limits of SAC-Lagrangian are for real actions: for discrete ones there is "
    "handrail.train_dqn (--method dqn of the command) with intervention=..., such as a shield, a "
    "prior, or budget-switch with a guide of handrail.guide_from_policy, which keeps a limit"
)
"""What there is for discrete actions."""


def _compiled(
    env: AbstractEnvironment,
    cost: CostFn | None,
    limits: Mapping[str, float] | None,
    parts: Sequence[str] | None,
    episode_length: int | None,
) -> OwnEnvironment:
    own = own_environment(env, parts=parts, episode_length=episode_length)
    if cost is not None:
        raise HandrailError(
            f"{own.name} is compiled, and its steps say their cost: leave cost out here, and give "
            "it to handrail.from_gymnax or from_brax, or as the cost of the Timestep"
        )
    if limits:
        raise HandrailError(
            f"{own.name} is compiled and has one cost: give limit, not limits (several costs are "
            "for environments of Gymnasium)"
        )
    return own


def shortened(host: Host, steps: int) -> Host:
    """The environment with episodes of at most so many steps, if it is compiled; those on the host
    are cut off by what drives them.
    """
    if isinstance(host, OwnEnvironment):
        return own_environment(host, episode_length=steps)
    return host


_NEW = (
    "give a class, or a function that builds a new one at every call. If there can be only one "
    "simulator, start a second copy of it for the evaluation (such as on another port)"
)


def _among(host: Host, hosts: Sequence[Host]) -> bool:
    return any(host is other for other in hosts)


def _close(env: Any) -> None:
    """Closes it; what goes wrong is logged, since a result or another error is on its way."""
    try:
        getattr(env, "close", lambda: None)()
    except Exception as error:
        name = getattr(env, "name", type(env).__name__)
        LOG.warning("closing %s raised %s: %s", name, type(error).__name__, error)


def _called(builds: Any) -> Any:
    """What the function of a user builds; what it raises is one error."""
    if not callable(builds):
        raise HandrailError(
            f"the environment is {shown(builds)}; expected the id of a registered environment, or "
            "a function that builds one, such as lambda: gymnasium.make('CartPole-v1')"
        )
    try:
        return builds()
    except HandrailError:
        raise
    except Exception as error:
        name = getattr(builds, "__qualname__", type(builds).__name__)
        raise HandrailError(
            f"building the environment with {name}() raised {_said(error)!r} "
            f"({type(error).__name__}); expected a function or class that needs no arguments and "
            "returns an environment"
        ) from error


def _said(error: Exception) -> str:
    """What an error says, or its type where it says nothing."""
    return str(error).strip() or type(error).__name__


def first_observation(host: Host, key: Key[Array, ""]) -> Any:
    """What an episode with this key begins with; of several side by side, the first one's."""
    if isinstance(host, OwnEnvironment):
        return host.reset(key=key)[1]
    if isinstance(host, GymnasiumHost):
        return host.reset(key=key)
    keys = jnp.stack([key] * host.copies)
    return copy_of(host.reset(np.ones(host.copies, np.bool_), keys=keys), 0)


def episode_steps(host: Host, given: int | None) -> int:
    """The time limit in steps: as given, or as the environment was registered with if that is
    shorter.
    """
    steps = checked_time_limit(given, host.time_limit)
    if steps is None:
        raise HandrailError(
            f"{host.name} says nothing of its time limit (max_episode_steps); give episode_length"
        )
    return steps


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
    return number("limit", host.limit if given is None else given)


def needs_box(host: Host) -> None:
    """Refuses discrete actions before anything is built."""
    try:
        action_size(host.actions)
    except HandrailError as error:
        raise HandrailError(f"{host.name}: {error}; {FOR_DISCRETE}") from None


def checked_intervention(intervention: Any) -> Intervention | None:
    """An intervention of the user's, or None; anything else is refused."""
    if not isinstance(intervention, Intervention | None):
        raise HandrailError(
            f"intervention is {shown(intervention)}: expected WHEN × WHAT, such as "
            "handrail.shield(condition, policy) or handrail.domain_prior(prior)"
        )
    return intervention
