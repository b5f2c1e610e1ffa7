"""Compiled environments for tests: some in our contract, some in Brax's."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from handrail.core.types import Timestep
from handrail.envs.base import AbstractEnvironment, BoxActions, DiscreteActions

NO = jnp.array(False)


class Cells(AbstractEnvironment):
    """Nine cells, from the middle; the left end costs, the right end is the goal."""

    actions: DiscreteActions = DiscreteActions(2)
    episode_length: int = 20
    cost: float = 1.0

    def reset(self, *, key):
        return (jnp.int32(4), 0), jax.nn.one_hot(4, 9)

    def step(self, state, action, *, key):
        place = jnp.clip(state[0] + 2 * action - 1, 0, 8)
        return (place, state[1] + 1), Timestep(
            jax.nn.one_hot(place, 9),
            (place == 8) * 1.0,
            (place == 0) * self.cost,
            place == 8,
            NO,
        )


class Track(AbstractEnvironment):
    """A cart on a track, pushed by −2 to 2, whose ends cost; named parts of several dtypes."""

    actions: BoxActions = BoxActions(1, -2.0, 2.0)
    episode_length: int = 20

    def reset(self, *, key):
        place = jax.random.uniform(key, (), minval=-0.4, maxval=0.4)
        state = (place, jnp.float32(0), jnp.int32(0))
        return state, self.look(state)

    def look(self, state):
        place, speed, steps = state
        return {"seen": {"place": place[None], "speed": speed}, "clock": steps.astype(jnp.uint8)}

    def step(self, state, action, *, key):
        place, speed, steps = state
        speed = jnp.clip(speed + 0.05 * action[0], -1, 1)
        place = jnp.clip(place + 0.1 * speed, -1, 1)
        state = (place, speed, steps + 1)
        cost = (jnp.abs(place) > 0.5).astype(jnp.float32)
        return state, Timestep(self.look(state), -jnp.abs(place), cost, NO, NO)


class OneStep(AbstractEnvironment):
    """Pays 1 and ends at once: by the task itself, or by the time limit."""

    terminates: bool = eqx.field(static=True)
    actions: DiscreteActions = DiscreteActions(2)
    episode_length: int = 1

    def reset(self, *, key):
        return (), jnp.ones(1)

    def step(self, state, action, *, key):
        return (), Timestep(
            jnp.ones(1), jnp.float32(1), jnp.float32(0), jnp.array(self.terminates), NO
        )


class BraxState(eqx.Module):
    """What Brax's states have; dictionaries may be written into, as some environments do."""

    obs: Any
    reward: Any
    done: Any
    metrics: dict
    info: dict


class Falling:
    """In Brax's contract: falls by the action a step, and is done below −3, which costs 2."""

    action_size = 1
    episode_length = 8

    def reset(self, rng):
        zero = jnp.zeros(())
        return BraxState(jnp.zeros(1), zero, zero, {"harm": zero}, {"cost": zero, "rng": rng})

    def step(self, state, action):
        place = state.obs + action
        done = (place[0] < -3).astype(jnp.float32)
        state.info["cost"] = 2 * done  # into the dictionary that it was given
        return BraxState(place, place[0], done, {"harm": done}, state.info)


class Layer:
    """A wrapper as Brax's are."""

    def __init__(self, env):
        self.env = env

    def __getattr__(self, name):
        return getattr(vars(self)["env"], name)


class MyAutoResetWrapper(Layer):
    """Hides the last observation of an episode."""

    def step(self, state, action):
        raise AssertionError("should have been taken off")


class Limited(Layer):
    """Ends after three steps, and says that it is a time limit's end."""

    def reset(self, rng):
        state = self.env.reset(rng)
        return self._said(state, jnp.zeros(()), state.done)

    def step(self, state, action):
        steps = state.info["steps"] + 1
        after = self.env.step(state, action)
        late = (steps >= 3) & (after.done == 0)
        return self._said(after, steps, jnp.where(late, 1.0, after.done), late * 1.0)

    def _said(self, state, steps, done, truncation=0.0):
        info = state.info | {"steps": steps, "truncation": jnp.float32(truncation)}
        return BraxState(state.obs, state.reward, done, state.metrics, info)
