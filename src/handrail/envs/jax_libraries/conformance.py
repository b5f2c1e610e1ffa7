"""Does a compiled environment keep the rules? A random walk, compiled as training is."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action
from handrail.envs.base import AbstractEnvironment, ActionSpace, DiscreteActions
from handrail.envs.finding import Finding
from handrail.envs.jax_libraries.own import OwnEnvironment, own_environment


def check_compiled(
    environment: AbstractEnvironment, *, has_cost_fn: bool, steps: int, seed: int
) -> list[Finding]:
    """Walks `steps` random steps and says of each rule whether it holds. An environment that does
    not compile, or whose every step would be compiled anew, is not walked in.
    """
    try:
        own = own_environment(environment)
    except HandrailError as error:
        return [Finding("builds", "wrong", str(error))]
    found = [
        Finding("builds", "ok", f"{own.name}, whose steps are one program"),
        _actions(own),
        _observations(own),
    ]
    if has_cost_fn:
        found.append(Finding("cost", "wrong", "its steps say their cost: leave the function out"))
        return found
    walk = _Walk.of(_walk(own, jax.random.key(seed), steps))
    again = _Walk.of(_walk(own, jax.random.key(seed), steps))
    other = _Walk.of(_walk(own, jax.random.key(seed + 1), steps))
    found.append(Finding("steps", "ok", f"{steps} random steps, {own.episode_length} an episode"))
    return [*found, _reward(walk), _cost(walk), _ends(walk), _determinism(walk, again, other)]


class _Walk(eqx.Module):
    """A random walk, one entry a step."""

    observations: Any  # (steps, numbers)
    rewards: Any
    costs: Any
    terminated: Any
    truncated: Any

    @staticmethod
    def of(steps: "_Walk") -> "_Walk":
        """In NumPy."""
        return jax.tree.map(np.asarray, steps)


@eqx.filter_jit
def _walk(own: OwnEnvironment, key: Key[Array, ""], steps: int) -> _Walk:
    def step(carry: Any, index: Any) -> tuple[Any, _Walk]:
        action = _random(own.actions, stream(key, "act", index))
        state, timestep = own.step(carry, action, key=stream(key, "environment", index))
        ended = timestep.terminated | timestep.truncated
        fresh = stream(key, "reset", index)
        state = jax.lax.cond(ended, lambda: own.reset(key=fresh)[0], lambda: state)
        seen = jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(timestep.observation)])
        return state, _Walk(
            seen, timestep.reward, timestep.cost, timestep.terminated, timestep.truncated
        )

    state, _ = own.reset(key=stream(key, "first reset"))
    return jax.lax.scan(step, state, jnp.arange(steps))[1]


def _random(actions: ActionSpace, key: Key[Array, ""]) -> Action:
    if isinstance(actions, DiscreteActions):
        return jax.random.randint(key, (), 0, actions.n)
    return jax.random.uniform(key, (actions.size,), minval=-1.0, maxval=1.0)


def _actions(own: OwnEnvironment) -> Finding:
    if isinstance(own.actions, DiscreteActions):
        return Finding("actions", "ok", f"{own.actions.n} numbered ones")
    bounds = own.action_bounds
    ends = f"{bounds['low']} to {bounds['high']}" if bounds else "[-1, 1]"
    return Finding("actions", "ok", f"{own.actions.size} real numbers in [-1, 1], for {ends}")


def _observations(own: OwnEnvironment) -> Finding:
    zeros = own.observation_zeros()
    named = zeros if isinstance(zeros, dict) else {"one array": zeros}
    what = ", ".join(f"{name} {part.shape}" for name, part in named.items())
    return Finding("observations", "ok", what)


def _first(wrong: np.ndarray) -> str:
    return f"{int(wrong.sum())} of {len(wrong)} steps, first in step {int(wrong.argmax())}"


def _reward(walk: _Walk) -> Finding:
    unseen = ~np.isfinite(walk.observations).all(axis=1)
    if unseen.any():
        return Finding("reward", "wrong", f"the observation is not finite in {_first(unseen)}")
    wrong = ~np.isfinite(walk.rewards)
    if wrong.any():
        return Finding("reward", "wrong", f"not finite in {_first(wrong)}")
    return Finding("reward", "ok", "finite numbers, and so are observations")


def _cost(walk: _Walk) -> Finding:
    negative, wrong = walk.costs < 0, ~np.isfinite(walk.costs)
    if negative.any():
        return Finding("cost", "wrong", f"negative in {_first(negative)}; costs are at least 0")
    if wrong.any():
        return Finding("cost", "wrong", f"not finite in {_first(wrong)}")
    share = float(np.mean(walk.costs > 0))
    text = f"cost > 0 in {share:.1%} of the steps"
    if not share:
        text += "; nothing to learn safety from, unless random actions are safe"
    return Finding("cost", "ok" if share else "note", text)


def _ends(walk: _Walk) -> Finding:
    """A time limit must not be reported as `terminated`: values would stop there."""
    ended = walk.terminated | walk.truncated
    lengths = np.diff(np.flatnonzero(ended), prepend=-1)
    by_itself = lengths[walk.terminated[ended]]
    text = (
        f"{int(ended.sum())} episodes ended: {len(by_itself)} terminated, "
        f"{int(walk.truncated.sum())} truncated"
    )
    if len(by_itself) > 2 and len(set(by_itself.tolist())) == 1 and by_itself[0] > 1:
        return Finding(
            "ends", "note",
            f"{text}; all terminated ones lasted {by_itself[0]} steps under random actions: a time "
            "limit is truncated, not terminated",
        )  # fmt: skip
    return Finding("ends", "ok" if ended.any() else "note", text)


def _determinism(walk: _Walk, again: _Walk, other: _Walk) -> Finding:
    pairs = zip(jax.tree.leaves(walk), jax.tree.leaves(again), strict=True)
    if not all(np.array_equal(one, two, equal_nan=one.dtype.kind == "f") for one, two in pairs):
        return Finding(
            "determinism", "wrong",
            "the same key and actions went another way the second time: draw all randomness from "
            "the key, and call nothing that changes",
        )  # fmt: skip
    if np.array_equal(walk.observations, other.observations, equal_nan=True):
        return Finding("determinism", "note", "equal keys agree; another key goes the same way")
    return Finding("determinism", "ok", "equal keys and actions give equal steps; keys differ")
