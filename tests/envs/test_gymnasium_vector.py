"""Gymnasium's vector environments: each copy is what a single environment would have been."""

import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from handrail.core.errors import HandrailError
from handrail.envs.base import DiscreteActions
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.gymnasium.vector import GymnasiumVectorHost
from handrail.envs.host import seed_of
from tests.envs.toys import Broken, Named, SixTuple, Walker

KEYS = jax.random.split(jax.random.key(3), 3)
LENGTHS = (4, 7, 3)
ALL = np.ones(3, np.bool_)


class Env(Walker, gymnasium.Env):
    """`Walker` as vector environments take it."""


class BrokenEnv(Broken, gymnasium.Env):
    """`Broken` as vector environments take it."""


class NamedEnv(Named, gymnasium.Env):
    """`Named` as vector environments take it."""


def walkers(kind=SyncVectorEnv, make=Env, **options):
    return kind([functools.partial(make, length) for length in LENGTHS], **options)


def actions(step):
    return np.sin(np.arange(3.0)[:, None] + step).astype(np.float32)


def keys_at(step):
    return jax.vmap(lambda key: jax.random.fold_in(key, step))(KEYS)


def driven(host, steps=16):
    """Timesteps and what was observed after the resets; ended copies are reset, as in a loop."""
    seen = [host.reset(np.ones(host.copies, np.bool_), keys=KEYS[: host.copies])]
    for step in range(steps):
        timestep = host.step(actions(step)[: host.copies], keys=KEYS[: host.copies])
        ended = timestep.terminated | timestep.truncated
        keys = keys_at(step)[: host.copies]
        seen.append((timestep, host.reset(ended, keys=keys) if ended.any() else None))
    return seen


def driven_alone(copy, host, steps=16):
    seen = [host.reset(key=KEYS[copy])]
    for step in range(steps):
        timestep = host.step(actions(step)[copy], key=KEYS[copy])
        ended = timestep.terminated or timestep.truncated
        seen.append((timestep, host.reset(key=keys_at(step)[copy]) if ended else None))
    return seen


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(
    "kind", [SyncVectorEnv, functools.partial(AsyncVectorEnv, context="spawn")], ids=["s", "a"]
)
def test_every_copy_is_a_single_environment_in_every_mode(kind, mode):
    """Exactly: observations (final ones at ends), rewards, costs, ends, seeds; and no step more."""
    env = walkers(kind, autoreset_mode=mode)
    together = driven(GymnasiumVectorHost(env))
    for copy, length in enumerate(LENGTHS):
        alone = driven_alone(copy, GymnasiumHost(Walker(length)))
        np.testing.assert_array_equal(together[0][copy], alone[0])
        for (wave, fresh), (timestep, begun) in zip(together[1:], alone[1:], strict=True):
            pair = jax.tree.leaves(wave), jax.tree.leaves(timestep)
            for whole, one in zip(*pair, strict=True):
                np.testing.assert_array_equal(whole[copy], one)
            if begun is not None:
                np.testing.assert_array_equal(fresh[copy], begun)
            elif fresh is not None:
                np.testing.assert_array_equal(fresh[copy], timestep.observation)
        assert sum(t.truncated for t, _ in alone[1:]) == 16 // length
    assert any(t.cost.any() for t, _ in together[1:])
    env.close()


def test_types_names_and_seeds():
    env = walkers()
    host = GymnasiumVectorHost(env)
    assert (host.name, host.copies, host.time_limit) == ("3 × Env", 3, None)
    first = host.reset(ALL, keys=KEYS)
    assert [one.seed for one in env.envs] == [seed_of(key) for key in KEYS]
    timestep = host.step(np.full((3, 1), 0.25, np.float32), keys=KEYS)
    assert [one.taken.tolist() for one in env.envs] == [[1.75]] * 3
    assert first.shape == (3, 2) and timestep.cost.shape == timestep.truncated.shape == (3,)
    assert first.dtype == timestep.reward.dtype == timestep.cost.dtype == np.float32
    assert host.snapshot() is None
    with pytest.raises(HandrailError, match="cannot be restored"):
        host.restore({})
    pendulums = gymnasium.make_vec("Pendulum-v1", num_envs=2, vectorization_mode="sync")
    of_id = GymnasiumVectorHost(pendulums, lambda *_: 0)
    assert (of_id.name, of_id.time_limit) == ("2 × Pendulum-v1", 200)


def test_a_cost_function_is_called_copy_by_copy():
    seen = []

    def cost(obs, action, next_obs, info):
        seen.append((obs.copy(), action, next_obs.copy(), info))
        return len(seen)

    env = walkers(copy=False)  # observations are written over at every step
    host = GymnasiumVectorHost(env, cost)
    host.reset(ALL, keys=KEYS)
    costs = [host.step(actions(step), keys=KEYS).cost.tolist() for step in range(2)]
    assert costs == [[1, 2, 3], [4, 5, 6]]
    for copy, one in enumerate(env.envs):
        (_, _, before, _), (obs, action, next_obs, info) = seen[copy], seen[3 + copy]
        np.testing.assert_array_equal(obs, before)
        np.testing.assert_array_equal(next_obs, one.observation())
        assert action == one.taken and info == {"cost": float(abs(one.at) > 0.5)}
        assert not np.array_equal(obs, next_obs)


class Costs(Env):
    """Two named costs in `info`."""

    def step(self, action):
        *values, _ = Env.step(self, action)
        return *values, {"cost": {"time": 1.0, "place": abs(self.at)}, "note": "so"}


def test_named_costs_with_limits():
    host = GymnasiumVectorHost(walkers(make=Costs), limits={"time": 4.0, "place": 2.0})
    assert host.limit == 2.0 and host.constraints == ("place", "time")
    host.reset(ALL, keys=KEYS)
    timestep = host.step(actions(0), keys=KEYS)
    places = [abs(one.at) for one in host.env.envs]
    np.testing.assert_allclose(timestep.cost, [max(0.5, place) for place in places], rtol=1e-6)
    np.testing.assert_allclose(timestep.constraints, [[p, 1.0] for p in places], rtol=1e-6)
    host = GymnasiumVectorHost(walkers(make=Costs))
    host.reset(ALL, keys=KEYS)
    with pytest.raises(HandrailError, match=r"copy 0, episode 0, step 1: .* named costs \(place"):
        host.step(actions(0), keys=KEYS)


def test_named_parts_and_discrete_actions():
    host = GymnasiumVectorHost(walkers(make=NamedEnv), parts=["phase", "position"])
    first = host.reset(ALL, keys=KEYS)
    assert {name: part.shape for name, part in first.items()} == {
        "phase": (3, 3), "position": (3, 1),
    }  # fmt: skip
    assert host.step(actions(0), keys=KEYS).observation["phase"].argmax(1).tolist() == [1] * 3
    assert jax.tree.map(np.shape, host.observation_zeros()) == {"phase": (3,), "position": (1,)}
    alone = driven_alone(1, GymnasiumHost(Named(LENGTHS[1]), parts=["phase", "position"]))
    for mode in AutoresetMode:
        env = walkers(make=NamedEnv, autoreset_mode=mode)
        seen = driven(GymnasiumVectorHost(env, parts=["phase", "position"]))
        for (wave, _), (timestep, _) in zip(seen[1:], alone[1:], strict=True):
            for name, part in timestep.observation.items():
                np.testing.assert_array_equal(wave.observation[name][1], part)
    carts = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 3)
    host = GymnasiumVectorHost(carts, lambda o, a, n, i: a)
    assert isinstance(host.actions, DiscreteActions) and host.time_limit == 500
    host.reset(ALL, keys=KEYS)
    assert host.step(np.array([0, 1, 1], np.int32), keys=KEYS).cost.tolist() == [0, 1, 1]


NAN = np.array([np.nan, 0], np.float32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"info": {}}, "the step has no cost: return"),
        ({"info": {"cost": -1.0}}, "the cost is -1.0; expected a finite number ≥ 0"),
        ({"info": {"cost": np.nan}}, "the cost is nan"),
        ({"observation": NAN}, r"the observation is not finite \(NaN or infinite\) at \[0\]"),
        ({"reward": np.inf}, "the reward is inf; expected a finite number"),
    ],
)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_what_goes_wrong_names_the_copy(wrong, message, mode):
    for ends in ({}, {"truncated": True}):  # also where the copy is reset in the same step
        made = [Env, functools.partial(BrokenEnv, **wrong, **ends), Env]
        host = GymnasiumVectorHost(SyncVectorEnv(made, autoreset_mode=mode))
        host.reset(ALL, keys=KEYS)
        for step in range(2):
            host.step(actions(step), keys=KEYS)
        with pytest.raises(HandrailError, match=f"3 × Env, copy 1, episode 0, step 3: {message}"):
            host.step(actions(2), keys=KEYS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"observation": np.zeros(3, np.float32)}, "3 × Env: step raised ValueError"),
        ({"raises": RuntimeError("flat battery")}, "step raised RuntimeError: flat battery"),
    ],
)
def test_what_the_vector_environment_itself_stumbles_over(wrong, message):
    made = [Env, functools.partial(BrokenEnv, **wrong), Env]
    host = GymnasiumVectorHost(SyncVectorEnv(made))
    host.reset(ALL, keys=KEYS)
    with pytest.raises(HandrailError, match=message):
        for step in range(3):
            host.step(actions(step), keys=KEYS)


def test_order_of_calls_and_actions():
    host = GymnasiumVectorHost(walkers())
    with pytest.raises(HandrailError, match=r"copy 0.*step was called before reset"):
        host.step(actions(0), keys=KEYS)
    host.reset(ALL, keys=KEYS)
    with pytest.raises(HandrailError, match=r"copy 2.*the action is .*; expected 1 finite numbers"):
        host.step(np.array([[0], [0], [np.nan]]), keys=KEYS)
    host.reset(ALL, keys=KEYS)
    for step in range(3):
        host.step(actions(step), keys=KEYS)
    with pytest.raises(HandrailError, match=r"copy 2.*the episode has ended; call reset before"):
        host.step(actions(3), keys=KEYS)


def test_costs_that_gymnasium_would_round_are_refused():
    """An array of the first copy's type: with 0 there, 0.7 elsewhere silently becomes 0."""

    class Mixed(Env):
        cost = 0

        def step(self, action):
            *values, _ = Env.step(self, action)
            return *values, {"cost": self.cost}

    env = walkers(make=Mixed)
    host = GymnasiumVectorHost(env)
    host.reset(ALL, keys=KEYS)
    env.envs[1].cost = 0.7
    assert host.step(actions(0), keys=KEYS).cost.tolist() == [0, 0, 0], "not rounded any more"
    env.envs[0].cost = 0.7
    with pytest.raises(HandrailError, match=r"changed from int64 to float64.*such as float"):
        host.step(actions(1), keys=KEYS)


def test_environments_whose_episodes_cannot_be_seeded_are_refused():
    carts = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="vector_entry_point")
    with pytest.raises(HandrailError, match=r"2 × CartPole-v1: it resets its copies by itself"):
        GymnasiumVectorHost(carts)
    made = {"context": "spawn", "shared_memory": False}
    twice = walkers(AsyncVectorEnv, **made)
    with pytest.raises(HandrailError, match="without shared memory an AsyncVectorEnv resets"):
        GymnasiumVectorHost(twice)
    twice.close()
    once = walkers(AsyncVectorEnv, autoreset_mode="SameStep", **made)
    assert len(driven(GymnasiumVectorHost(once), 4)) == 5
    once.close()


class Six:
    """A vector environment of nobody's family, which leaves resets to us and returns six values."""

    num_envs, single_action_space = 2, Walker.action_space
    action_space = observation_space = None
    single_observation_space = Walker.observation_space

    def __init__(self, short=False):
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.envs, self.short = [SixTuple(4), SixTuple(6)], short
        self.seen = [None, None]

    def reset(self, *, seed=None, options=None):
        for i in np.flatnonzero((options or {}).get("reset_mask", [True] * 2)):
            self.seen[i] = self.envs[i].reset(seed=seed[i])[0]
        return np.stack(self.seen), {}

    def step(self, actions):
        self.seen, *rest, _ = zip(*map(SixTuple.step, self.envs, actions), strict=True)
        self.seen = list(self.seen)
        rest[1] = rest[1][: 1 if self.short else 2]
        return np.stack(self.seen), *map(np.array, rest), {"level": np.array([3, 5])}


def test_six_values_and_resets_of_its_own():
    levels = []
    host = GymnasiumVectorHost(Six())
    costs = np.stack([t.cost for t, _ in driven(host, 12)[1:]])
    assert costs.shape == (12, 2) and set(np.unique(costs)) == {0.0, 1.0}
    host = GymnasiumVectorHost(Six(), lambda o, a, n, info: levels.append(info["level"]) or 0)
    driven(host, 1)
    assert levels == [3, 5], "without a mask everyone has its entry"
    host = GymnasiumVectorHost(Six(short=True))
    with pytest.raises(HandrailError, match=r"the costs have shape \(1,\) and dtype float64"):
        driven(host, 1)


def test_under_a_wrapper_of_all():
    doubled = gymnasium.wrappers.vector.TransformReward(walkers(), lambda rewards: 2 * rewards)
    plain, twice = (driven(GymnasiumVectorHost(env), 8) for env in (walkers(), doubled))
    for (one, _), (other, _) in zip(plain[1:], twice[1:], strict=True):
        np.testing.assert_array_equal(2 * one.reward, other.reward)
        np.testing.assert_array_equal(one.observation, other.observation)
    assert jnp.any(jnp.asarray(plain[1][0].reward) != 0)
