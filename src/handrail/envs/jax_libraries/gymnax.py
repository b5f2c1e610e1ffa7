"""Environments of gymnax, without its auto-reset.

gymnax is imported only to look up an id: an environment is known by what it has.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.arguments import shown
from handrail.core.errors import HandrailError
from handrail.core.identity import digest
from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions, DiscreteActions
from handrail.envs.jax_libraries.costs import CostSource, checked_source, cost_of
from handrail.envs.jax_libraries.own import OwnEnvironment, own_environment
from handrail.envs.jax_libraries.tracing import raw_key


class GymnaxEnvironment(AbstractEnvironment):
    """`env` with `params`, stepped by `step_env`, which does not reset.

    States are gymnax's. A step draws what gymnax's `step` draws on the same key, so that both go
    the same way until an episode ends.
    """

    env: Any = eqx.field(static=True)
    params: PyTree
    cost: Any = eqx.field(static=True)
    actions: ActionSpace
    box: "Box | None"
    name: str = eqx.field(static=True)
    episode_length: int = eqx.field(static=True)
    identity: str = eqx.field(static=True)
    """A digest of `env` and `params`, as they were given."""
    digested: ClassVar[tuple[str, ...]] = ("env", "params")

    @property
    def action_bounds(self) -> dict[str, list[float]]:
        """`low` and `high` of a Box."""
        return {} if self.box is None else self.box.bounds()

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        observation, state = self.env.reset_env(raw_key(key), self.params)
        return state, self._seen(observation)

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        own, _ = jax.random.split(raw_key(key))  # the other one is for gymnax's auto-reset
        taken = action if self.box is None else self.box(action)
        stepped = self.env.step_env(own, state, taken, self.params)
        observation, after, reward, terminated, info = stepped
        return after, Timestep(
            observation=self._seen(observation),
            reward=jnp.asarray(reward, jnp.float32),
            cost=cost_of(self.cost, self.name, {"info": info}, state, taken, after),
            terminated=jnp.asarray(terminated, jnp.bool_),
            truncated=jnp.asarray(self.env.is_truncated(after, self.params), jnp.bool_),
        )

    def _seen(self, observation: Any) -> Any:
        return _one_hot(self.env.observation_space(self.params), observation)


class Box(eqx.Module):
    """What an agent's numbers in [−1, 1] stand for."""

    low: Float[Array, " size"]
    high: Float[Array, " size"]
    shape: tuple[int, ...] = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    def __call__(self, action: Float[Array, " size"]) -> Array:
        scaled = self.low + (action + 1) * ((self.high - self.low) / 2)
        return jnp.clip(scaled, self.low, self.high).astype(self.dtype).reshape(self.shape)

    def bounds(self) -> dict[str, list[float]]:
        """Of the flat vector."""
        return {"low": np.asarray(self.low).tolist(), "high": np.asarray(self.high).tolist()}


def from_gymnax(
    environment: Any, params: Any = None, *, cost: CostSource = "info:cost", **options: Any
) -> OwnEnvironment:
    """An environment of gymnax (1.0 or newer), to train in and to test in, compiled.

    Args:
        environment: its id, such as `"CartPole-v1"`, the environment, or gymnax's pair
            `(environment, params)`.
        params: its parameters; by default its own. `max_steps_in_episode` is the time limit, at
            which an episode is truncated and values are bootstrapped.
        cost: what a step costs: `"info:NAME"`, or a function `(state, action, next_state)` of
            gymnax's states and actions that gives one number ≥ 0.
        options: of the environment, where an id is given.

    Raises `HandrailError` where there is no cost, for an older gymnax, its wrappers (they reset
    by themselves), action spaces that are not `Discrete` or a bounded `Box`, and environments
    that do not compile.
    """
    env, params = _built(environment, params, options)
    name = str(getattr(env, "name", type(env).__name__))
    if params is None:
        params = env.default_params
    length = getattr(params, "max_steps_in_episode", None)
    if length is None:
        raise HandrailError(f"{name}: its params have no max_steps_in_episode, the time limit")
    identity = digest((env, params))
    params = jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, params)
    actions, box = _action_space(name, env.action_space(params))
    inner = GymnaxEnvironment(
        env=env,
        params=params,
        cost=checked_source(cost),
        actions=actions,
        box=box,
        name=name,
        episode_length=int(length),
        identity=identity,
    )
    return own_environment(inner, name=name)


def _built(environment: Any, params: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """The environment and the parameters that were given."""
    if isinstance(environment, str):
        try:
            import gymnax
        except ImportError as error:
            raise HandrailError(
                f"gymnax cannot be imported ({error}): pip install 'handrail[jax-envs]'"
            ) from error
        try:
            made, default = gymnax.make(environment, **options)
        except Exception as error:
            raise HandrailError(f"gymnax cannot make {environment!r}: {error}") from error
        environment, params = made, default if params is None else params
    elif options:
        raise HandrailError(
            f"{', '.join(sorted(options))}: options are for an id; the environment is already built"
        )
    if isinstance(environment, tuple) and len(environment) == 2 and params is None:
        environment, params = environment
    kind = type(environment)
    if hasattr(kind, "step_env") and hasattr(kind, "is_truncated"):
        return environment, params
    if hasattr(kind, "step_env"):
        raise HandrailError(
            f"{kind.__name__} has no is_truncated, so its time limit would be taken for the task's "
            "end: expected an environment of gymnax 1.0 or newer"
        )
    inner = getattr(environment, "_env", None)
    raise HandrailError(
        f"the environment is {shown(environment)}; expected an id of gymnax, an environment of it "
        "with step_env and reset_env, or the pair (environment, params) of gymnax.make"
        + ("" if inner is None else "; a wrapper resets by itself: give what it wraps")
    )


def _action_space(name: str, space: Any) -> tuple[ActionSpace, Box | None]:
    if hasattr(space, "n"):
        return DiscreteActions(int(space.n)), None
    dtype = getattr(space, "dtype", None)
    if dtype is None or not hasattr(space, "low") or not jnp.issubdtype(dtype, jnp.floating):
        kind = f"{type(space).__name__}{'' if dtype is None else f' of {np.dtype(dtype)}'}"
        raise HandrailError(
            f"{name}: the action space is a {kind}; expected Discrete, or a Box of real numbers"
        )
    low, high = (np.broadcast_to(end, space.shape).ravel() for end in (space.low, space.high))
    if not (low.size and np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise HandrailError(
            f"{name}: the action space has low {low.tolist()} and high {high.tolist()}; expected "
            "finite numbers with low < high"
        )
    box = Box(
        jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32), tuple(space.shape), dtype
    )
    return BoxActions(low.size), box


def _one_hot(space: Any, observation: Any) -> Any:
    """The observation, whose `Discrete` numbers become one-hot."""
    inner = getattr(space, "spaces", None)
    if isinstance(inner, dict):
        return {name: _one_hot(part, _part(observation, name)) for name, part in inner.items()}
    if inner is not None:
        return tuple(_one_hot(part, observation[i]) for i, part in enumerate(inner))
    if hasattr(space, "n") and jnp.shape(observation) == ():
        return jax.nn.one_hot(observation, int(space.n))
    return observation


def _part(observation: Any, name: str) -> Any:
    return observation[name] if isinstance(observation, dict) else getattr(observation, name)
