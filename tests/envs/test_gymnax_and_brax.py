"""The adapters beside the libraries' own reset and step, in lock-step."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.jax_libraries.brax import from_brax
from handrail.envs.jax_libraries.gymnax import from_gymnax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what they import
    gymnax = pytest.importorskip("gymnax")
    wrappers = pytest.importorskip("gymnax.wrappers.purerl")
    brax = pytest.importorskip("brax.envs")

SAME = {"rtol": 1e-6, "atol": 1e-6}


def safe(state, action, after):
    return 0.0


@pytest.mark.parametrize(
    ("name", "action"),
    [("CartPole-v1", 1), ("Pendulum-v1", [0.5]), ("MountainCarContinuous-v0", [0.3])],
)
def test_gymnax_in_lock_step(name, action):
    own, params = gymnax.make(name)
    params = params.replace(max_steps_in_episode=12)
    env = from_gymnax((own, params), cost=safe)
    assert env.episode_length == 12 and env.name == own.name
    bounds = env.action_bounds
    given = jnp.asarray(action)
    theirs = given if not bounds else given * bounds["high"][0]
    key = jax.random.key(3)
    observation, state = own.reset(key, params)
    mine, seen = env.reset(key=key)
    np.testing.assert_allclose(seen, observation, **SAME)
    step = jax.jit(lambda state, key: env.step(state, given, key=key))
    for number in range(12):
        drawn = jax.random.fold_in(key, number)
        _, state, reward, terminated, truncated, info = own.step(drawn, state, theirs, params)
        mine, timestep = step(mine, drawn)
        np.testing.assert_allclose(timestep.observation, info["final_observation"], **SAME)
        np.testing.assert_allclose(timestep.reward, reward, **SAME)
        assert bool(timestep.terminated) == bool(terminated)
        assert bool(timestep.truncated) == (bool(truncated) and not bool(terminated))
        if terminated or truncated:
            break
    assert terminated or truncated


def test_discrete_observations_of_gymnax_are_one_hot():
    env = from_gymnax("FrozenLake-misc", cost=safe)
    _, seen = env.reset(key=jax.random.key(0))
    assert seen.shape == (16,) and float(seen.sum()) == 1


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("CartPole-v9", {}, "gymnax cannot make 'CartPole-v9'"),
        ("CartPole-v1", {}, "no cost in 'info:cost'; a step says info:discount"),
        (5, {"cost": safe}, "the environment is 5; expected an id of gymnax"),
    ],
)
def test_what_gymnax_environments_are_refused_for(given, options, message):
    with pytest.raises(HandrailError, match=message):
        from_gymnax(given, **options)


def test_wrappers_of_gymnax_reset_by_themselves():
    wrapped = wrappers.FlattenObservationWrapper(gymnax.make("CartPole-v1")[0])
    with pytest.raises(HandrailError, match="a wrapper resets by itself: give what it wraps"):
        from_gymnax(wrapped, cost=safe)


def test_brax_in_lock_step():
    def speeding(state, action, after):
        return jnp.abs(after.obs[1]) > 0.05

    own = brax.create("fast", episode_length=6, auto_reset=True)
    env = from_brax(own, cost=speeding)
    assert (env.name, env.episode_length) == ("Fast", 6)
    key = jax.random.PRNGKey(1)
    inner = own.env  # without its auto-reset
    state, action = inner.reset(key), jnp.ones(1)
    mine, seen = env.reset(key=jax.random.wrap_key_data(key))
    np.testing.assert_array_equal(seen, state.obs)
    step = jax.jit(lambda state: env.step(state, action, key=jax.random.key(0)))
    for number in range(6):
        state = inner.step(state, action)
        mine, timestep = step(mine)
        np.testing.assert_allclose(timestep.observation, state.obs, **SAME)
        np.testing.assert_allclose(timestep.reward, state.reward, **SAME)
        assert float(timestep.cost) == (number >= 2)  # 0.02 a step
        assert not timestep.terminated and bool(timestep.truncated) == (number == 5)
