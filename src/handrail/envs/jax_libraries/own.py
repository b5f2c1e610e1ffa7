"""Any compiled environment as agents need it, and checked while it is compiled."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from handrail.core.arguments import whole
from handrail.core.errors import HandrailError
from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import (
    AbstractEnvironment,
    AbstractFiniteEnvironment,
    ActionSpace,
    BoxActions,
    DiscreteActions,
    zero_action,
)
from handrail.envs.jax_libraries.costs import marked
from handrail.envs.jax_libraries.tracing import attempt, different, strong


class OwnState(eqx.Module):
    """An environment's own state, and the steps of its episode."""

    inner: PyTree
    steps: Int[Array, ""]


class OwnEnvironment(AbstractEnvironment):
    """A compiled environment of the user's, read as a Gymnasium environment is on the host.

    Observations are float32: one array, or a dictionary of named parts (parts within parts are
    called `sensors.place`). Agents act in [−1, 1] whatever the bounds are. An episode that is not
    over after `episode_length` steps is truncated. A cost that is negative or not finite is
    marked (`costs.marked`); where an observation is not finite the reward is NaN. Both are
    errors once the compiled steps are over. Build it with `own_environment`.
    """

    inner: AbstractEnvironment
    name: str = eqx.field(static=True)
    episode_length: int = eqx.field(static=True)
    actions: ActionSpace
    parts: tuple[str, ...] | None = eqx.field(static=True, default=None)

    @property
    def time_limit(self) -> int:
        """Steps after which an episode is truncated."""
        return self.episode_length

    @property
    def limits(self) -> dict[str, float]:
        """None: compiled environments have one cost."""
        return {}

    @property
    def limit(self) -> float | None:
        """None: it is of several costs."""
        return None

    @property
    def action_bounds(self) -> dict[str, list[float]]:
        """`low` and `high` in the environment's units: what −1 and 1 stand for."""
        own = getattr(self.inner, "action_bounds", None)
        space = self.inner.actions
        if own is not None or isinstance(space, DiscreteActions):
            return own or {}
        return {"low": [float(space.low)] * space.size, "high": [float(space.high)] * space.size}

    def agent_form(self, action: Any) -> Any:
        """An action in the environment's units as an agent's, not clipped."""
        if isinstance(self.inner.actions, DiscreteActions):
            return jnp.asarray(action, jnp.int32)
        low, high = (jnp.array(self.action_bounds[end], jnp.float32) for end in ("low", "high"))
        return 2 * (jnp.ravel(jnp.asarray(action)) - low) / (high - low) - 1

    def inner_action(self, action: Action) -> Action:
        """An agent's action as `inner` takes it."""
        space = self.inner.actions
        if isinstance(space, DiscreteActions) or (space.low, space.high) == (-1.0, 1.0):
            return action
        return jnp.clip(
            space.low + (action + 1) * ((space.high - space.low) / 2), space.low, space.high
        )

    def reset(self, *, key: Key[Array, ""]) -> tuple[OwnState, Observation]:
        state, observation = self.inner.reset(key=key)
        return OwnState(strong(state), jnp.int32(0)), self.observed(observation)

    def step(
        self, state: OwnState, action: Action, *, key: Key[Array, ""]
    ) -> tuple[OwnState, Timestep]:
        after, timestep = self.inner.step(state.inner, self.inner_action(action), key=key)
        steps = state.steps + 1
        observation = self.observed(timestep.observation)
        reward = jnp.asarray(timestep.reward, jnp.float32)
        terminated = jnp.asarray(timestep.terminated, jnp.bool_)
        late = ~terminated & (steps >= self.episode_length)
        return OwnState(strong(after), steps), Timestep(
            observation=observation,
            reward=jnp.where(_all_finite(observation), reward, jnp.nan),
            cost=marked(jnp.asarray(timestep.cost, jnp.float32)),
            terminated=terminated,
            truncated=jnp.asarray(timestep.truncated, jnp.bool_) | late,
        )

    def observed(self, observation: Any) -> Observation:
        """What agents see of an observation of `inner`."""
        named = named_parts(observation)
        if "" in named:
            return named[""]
        chosen = sorted(named) if self.parts is None else self.parts
        return {name: named[name] for name in chosen}

    def observation_zeros(self) -> Any:
        """An observation of zeros."""
        shapes = jax.eval_shape(lambda key: self.reset(key=key)[1], jax.random.key(0))
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)


def own_environment(
    environment: AbstractEnvironment,
    *,
    name: str | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int | None = None,
) -> OwnEnvironment:
    """The environment as agents need it; `name` is for messages, by default its class's.

    `parts` keeps only these parts of an observation, and `episode_length` is the time limit if it
    is shorter than the environment's. Raises `HandrailError` where reset and step do not compile,
    give other things than they should, or change the types of their state.
    """
    length = whole("episode_length", environment.episode_length, least=1)
    if episode_length is not None:
        length = min(length, whole("episode_length", episode_length, least=1))
    if isinstance(environment, OwnEnvironment):
        longest = dataclasses.replace(environment, episode_length=length)
        return longest if parts is None else _with_parts(longest, parts)
    called = type(environment).__name__ if name is None else name
    if isinstance(environment, AbstractFiniteEnvironment):
        raise HandrailError(
            f"{called}: its observations are numbers of a table's rows, which networks cannot "
            "read; `handrail train` runs our own, and of yours give observations of numbers"
        )
    space = environment.actions
    actions = BoxActions(space.size) if isinstance(space, BoxActions) else space
    own = OwnEnvironment(inner=environment, name=called, episode_length=length, actions=actions)
    _check(own)
    return own if parts is None else _with_parts(own, parts)


def named_parts(observation: Any) -> dict[str, Float[Array, "..."]]:
    """The arrays of an observation as float32, by name; one that is an array has the name ""."""
    parts: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(observation):
        name = ".".join(map(_entry, path))
        if name in parts:
            raise HandrailError(f"the observation has two parts called {name!r}; rename one")
        array = jnp.asarray(leaf)
        real = jnp.issubdtype(array.dtype, jnp.number) or array.dtype == jnp.bool_
        if not real or jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise HandrailError(
                f"the observation{f' part {name!r}' if name else ''} is {array.dtype}; expected "
                "real numbers"
            )
        parts[name] = array.astype(jnp.float32)
    if not parts:
        raise HandrailError("the observation holds no array; expected numbers")
    return parts


def _entry(key: Any) -> str:
    """A name, or a number, of a part of a tree."""
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _all_finite(observation: Observation) -> Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(observation)]))


def _with_parts(own: OwnEnvironment, parts: Sequence[str]) -> OwnEnvironment:
    """With these parts of the observation only; a name with parts within means all of them."""
    whole_one = dataclasses.replace(own, parts=None).observation_zeros()
    known = sorted(whole_one) if isinstance(whole_one, Mapping) else []
    if isinstance(parts, str) or not all(isinstance(part, str) for part in parts):
        raise HandrailError(f"parts is {parts!r}; expected a list of names of parts")
    chosen: list[str] = []
    for part in parts:
        within = [name for name in known if name == part or name.startswith(f"{part}.")]
        if not within:
            raise HandrailError(
                f"{own.name}: parts has {part!r}; the observation has "
                f"{', '.join(known) or 'no named parts: leave parts out'}"
            )
        chosen += within
    if not chosen:
        raise HandrailError(f"{own.name}: parts is empty; expected some of {', '.join(known)}")
    return dataclasses.replace(own, parts=tuple(sorted(set(chosen))))


def _check(own: OwnEnvironment) -> None:
    """Reset and step are traced once, which computes nothing."""
    inner, key = own.inner, jax.random.key(0)
    begun = attempt(f"{own.name}: reset", jax.eval_shape, lambda k: _pair(inner.reset(key=k)), key)
    state, observation = begun
    attempt(f"{own.name}: reset", jax.eval_shape, named_parts, observation)
    action = zero_action(own.actions)

    def step(state: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Any]:
        after, timestep = _pair(inner.step(state, own.inner_action(action), key=key))
        if not isinstance(timestep, Timestep):
            raise HandrailError(
                f"{own.name}: step gives a {type(timestep).__name__}; expected "
                "(state, handrail.Timestep(...))"
            )
        if timestep.constraints is not None:
            raise HandrailError(f"{own.name}: several costs are for environments on the host")
        return strong(after), timestep

    kept = jax.eval_shape(strong, state)
    after, timestep = attempt(f"{own.name}: step", jax.eval_shape, step, kept, key)
    for what in ("reward", "cost", "terminated", "truncated"):
        shape = jnp.shape(getattr(timestep, what))
        if shape != ():
            raise HandrailError(
                f"{own.name}: {what} of a step has shape {shape}; expected one number, of one "
                "environment (batches are added by handrail)"
            )
    seen = jax.eval_shape(named_parts, observation)
    reached = jax.eval_shape(named_parts, timestep.observation)
    for what, pair in (("state", (kept, after)), ("observation", (seen, reached))):
        found = different(*pair)
        if found is not None:
            raise HandrailError(
                f"{own.name}: a step changes the type of the {what}: after reset and after a "
                f"step, {found}. Every step would be compiled anew: give both the same parts, "
                "shapes and dtypes, such as with jnp.asarray(x, dtype)"
            )


def _pair(given: Any) -> tuple[Any, Any]:
    if not (isinstance(given, tuple) and len(given) == 2):
        raise HandrailError(
            f"it gives a {type(given).__name__}; expected two values: reset gives "
            "(state, observation), and step (state, handrail.Timestep(...))"
        )
    return given
