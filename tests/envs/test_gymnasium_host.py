"""Any Gymnasium environment as a host environment: values, seeds, and every bad input by name."""

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces

from handrail.core.errors import HandrailError
from handrail.envs.base import BoxActions, DiscreteActions
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.host import seed_of
from tests.envs.toys import Broken, Named, SixTuple, Walker

KEY = jax.random.key(3)
ACTION = np.array([0.25], np.float32)


def steps(host, count=4, action=ACTION):
    host.reset(key=KEY)
    return [host.step(action, key=KEY) for _ in range(count)]


def safe(obs, action, next_obs, info):
    return 0.0


def test_what_a_step_returns_is_exact():
    env = Walker()
    host = GymnasiumHost(env)
    first = host.reset(key=KEY)
    assert env.seed == seed_of(KEY)
    timestep = host.step(ACTION, key=KEY)
    assert env.taken.dtype == np.float32 and env.taken == [1.75]  # 1 + 0.25 · 3
    assert first.dtype == timestep.observation.dtype == np.float32
    np.testing.assert_array_equal(timestep.observation, env.observation())
    assert timestep.reward == np.float32(env.at) and timestep.reward.dtype == np.float32
    assert not timestep.terminated and not timestep.truncated


@pytest.mark.parametrize("env", [Walker, SixTuple])
def test_cost_of_five_and_of_six_values(env):
    costs = [float(t.cost) for t in steps(GymnasiumHost(env()), 6, np.array([0.5]))]
    assert costs[0] == 0 and costs[-1] == 1


def test_a_cost_function_sees_the_environments_values_and_goes_first():
    seen = []

    def cost(obs, action, next_obs, info):
        seen.append((obs, action, next_obs, info))
        return 3

    env = Walker()
    timestep = steps(GymnasiumHost(env, cost), 2)[-1]
    assert timestep.cost == 3
    obs, action, next_obs, info = seen[-1]
    np.testing.assert_array_equal(seen[0][2], obs)
    np.testing.assert_array_equal(next_obs, env.observation())
    assert action == env.taken and info["cost"] == 0


def test_a_buffer_that_is_written_again_does_not_change_the_past():
    class Buffered(Walker):
        buffer = np.zeros(2, np.float32)

        def observation(self):
            self.buffer[:] = Walker.observation(self)
            return self.buffer

    distances = []
    host = GymnasiumHost(Buffered(), lambda o, a, n, i: distances.append(n[0] - o[0]) or 0)
    before, after = (t.observation for t in steps(host, 2))
    assert after[0] > before[0] and min(distances) > 0


def test_time_limit_and_end_stay_apart():
    last = steps(GymnasiumHost(Walker(length=3)), 3)[-1]
    assert last.truncated and not last.terminated
    cart = GymnasiumHost(gymnasium.make("CartPole-v1"), safe)
    cart.reset(key=KEY)
    while not ((t := cart.step(np.int32(1), key=KEY)).terminated or t.truncated):
        pass
    assert t.terminated and not t.truncated


def test_named_parts():
    with pytest.raises(HandrailError, match=r"'words' is a Text.*parts=\['phase', 'position'\]"):
        GymnasiumHost(Named())
    host = GymnasiumHost(Named(), parts=["position", "phase"])
    observation = steps(host, 1)[0].observation
    assert {name: part.dtype for name, part in observation.items()} == {
        "position": np.float32,
        "phase": np.float32,
    }
    np.testing.assert_array_equal(observation["phase"], [0, 1, 0])
    zeros = host.observation_zeros()
    assert jax.tree.map(np.shape, zeros) == jax.tree.map(np.shape, observation)


def test_equal_keys_give_equal_episodes():
    one, two = (steps(GymnasiumHost(gymnasium.make("Pendulum-v1"), safe)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.observation, b.observation)
    host = GymnasiumHost(gymnasium.make("Pendulum-v1"), safe)
    assert not np.array_equal(host.reset(key=KEY), host.reset(key=jax.random.key(4)))


@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"])
def test_classic_control_discrete(name):
    host = GymnasiumHost(gymnasium.make(name), lambda o, a, n, i: float(abs(n[0]) > 0.05))
    assert isinstance(host.actions, DiscreteActions)
    assert all(t.cost in (0, 1) for t in steps(host, 5, np.int32(1)))


@pytest.mark.parametrize("name", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_classic_control_continuous(name):
    host = GymnasiumHost(gymnasium.make(name), lambda o, a, n, i: float(n[-1] > 0))
    assert host.actions == BoxActions(1)
    env = host.env.unwrapped
    assert host._reader.codec.to_environment(np.ones(1)) == env.action_space.high
    assert host._reader.codec.to_environment(-np.ones(1)) == env.action_space.low
    assert len(steps(host, 5)) == 5


@pytest.mark.parametrize("name", ["InvertedPendulum-v5", "Hopper-v5"])
def test_mujoco(name):
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio", reason="gymnasium's MuJoCo environments import it")
    env = gymnasium.make(name, disable_env_checker=True)
    host = GymnasiumHost(env, lambda o, a, n, i: float(np.abs(n).max() > 0.5))
    taken = steps(host, 2, np.full(host.actions.size, 0.5, np.float32))
    assert taken[-1].observation.dtype == np.float32 and any(t.cost > 0 for t in taken)
    env.close()


def test_minigrid_lava_through_the_host():
    pytest.importorskip("minigrid")  # registers its environments
    env = gymnasium.make("MiniGrid-LavaGapS5-v0", disable_env_checker=True)

    def in_lava(obs, action, next_obs, info):
        cell = env.unwrapped.grid.get(*env.unwrapped.agent_pos)
        return float(cell is not None and cell.type == "lava")

    host = GymnasiumHost(env, in_lava, parts=["image", "direction"])
    ends = []
    for episode in range(20):
        key = jax.random.key(episode)
        first = host.reset(key=key)
        assert first["image"].shape == (7, 7, 3) and first["direction"].sum() == 1
        for action in np.random.default_rng(episode).integers(0, 3, 200):
            timestep = host.step(np.int32(action), key=key)
            assert timestep.cost <= timestep.terminated  # lava ends the episode
            if timestep.terminated or timestep.truncated:
                ends.append((timestep.cost, timestep.reward))
                break
    assert any(cost == 1 and reward == 0 for cost, reward in ends)


BAD = {
    "no cost": ({"info": {}}, "no cost"),
    "negative cost": ({"info": {"cost": -1.0}}, "cost is -1.0; expected a finite number ≥ 0"),
    "NaN cost": ({"info": {"cost": float("nan")}}, "cost is nan"),
    "cost that is no number": ({"info": {"cost": "much"}}, "cost is 'much'"),
    "named costs without limits": ({"info": {"cost": {"a": 1.0}}}, r"limits=\{'a': \.\.\.\}"),
    "NaN reward": ({"reward": float("nan")}, "reward is nan"),
    "infinite reward": ({"reward": np.inf}, "reward is inf"),
    "reward that is no number": ({"reward": None}, "reward is None"),
    "NaN observation": (
        {"observation": np.array([0, np.nan], np.float32)},
        r"not finite \(NaN or infinite\) at \[1\]",
    ),
    "other shape": ({"observation": np.zeros(3, np.float32)}, r"shape \(3,\).*shape \(2,\)"),
    "other dtype": ({"observation": np.zeros(2)}, "changed from float32 to float64"),
    "no array": ({"observation": None}, "dtype object"),
    "ragged": ({"observation": [1.0, [2.0]]}, "dtype object"),
    "info that is no dictionary": ({"info": None}, "info is a NoneType"),
    "terminated that is no flag": ({"terminated": 0.5}, "`terminated` is 0.5"),
    "four values": ({"result": (0, 0, False, {})}, "tuple of 4"),
    "no tuple": ({"result": None}, "NoneType"),
    "an exception": ({"raises": RuntimeError("motor on fire")}, "RuntimeError: motor on fire"),
}


@pytest.mark.parametrize(("wrong", "message"), BAD.values(), ids=BAD)
def test_bad_steps_are_one_clear_error(wrong, message):
    host = GymnasiumHost(Broken(**wrong))
    with pytest.raises(HandrailError, match=message) as raised:
        steps(host, 3)
    assert str(raised.value).startswith("Broken, episode 0, step 3: ")
    if "raises" in wrong:
        assert raised.value.__cause__.__cause__ is wrong["raises"] or (
            raised.value.__cause__ is wrong["raises"]
        )
    with pytest.raises(HandrailError, match="call reset"):
        host.step(ACTION, key=KEY)
    host.reset(key=KEY)  # and it can begin again


def test_a_part_that_goes_missing():
    class Forgetful(Named):
        def observation(self):
            whole = Named.observation(self)
            return whole if self.count < 2 else {"position": whole["position"]}

    with pytest.raises(HandrailError, match=r"step 2: .*lacks the part 'phase'"):
        steps(GymnasiumHost(Forgetful(), parts=["phase", "position"]))


@pytest.mark.parametrize(
    ("action", "message"),
    [(np.array([np.nan]), "finite"), (np.zeros(2), "expected 1 finite"), (np.int32(1), "finite")],
)
def test_bad_actions(action, message):
    with pytest.raises(HandrailError, match=message):
        steps(GymnasiumHost(Walker()), 1, action)


@pytest.mark.parametrize("action", [2, -1, 0.5, np.array([0, 1])])
def test_bad_discrete_actions(action):
    with pytest.raises(HandrailError, match="one number from 0 to 1"):
        steps(GymnasiumHost(gymnasium.make("CartPole-v1"), safe), 1, np.asarray(action))


def test_stepping_mistakes():
    host = GymnasiumHost(Walker(length=2))
    with pytest.raises(HandrailError, match="before reset"):
        host.step(ACTION, key=KEY)
    steps(host, 2)
    with pytest.raises(HandrailError, match="episode has ended"):
        host.step(ACTION, key=KEY)
    assert host.snapshot() is None
    with pytest.raises(HandrailError, match="cannot be restored"):
        host.restore({})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(-np.inf, 1, (2,)), "unbounded in 2 of 2 numbers"),
        (spaces.Box(0, 5, (2,), np.int64), "Box of int64"),
        (spaces.Box(1, 1, (2,)), "low < high"),
        (spaces.MultiDiscrete([999, 3]), "a MultiDiscrete; expected Box, Discrete, a Dict or"),
    ],
)
def test_action_spaces_that_are_refused(space, message):
    env = Walker()
    env.action_space = space
    with pytest.raises(HandrailError, match=f"^Walker: .*{message}"):
        GymnasiumHost(env)


def test_other_things_that_are_refused():
    env = Walker()
    env.observation_space = spaces.Text(3)
    with pytest.raises(HandrailError, match=r"a Text; expected Box, .*or a Dict or Tuple"):
        GymnasiumHost(env)
    with pytest.raises(HandrailError, match="without named parts"):
        GymnasiumHost(Walker(), parts=["position"])
    with pytest.raises(HandrailError, match="has phase, position, words"):
        GymnasiumHost(Named(), parts=["speed"])
    with pytest.raises(HandrailError, match="has no `reset`"):
        GymnasiumHost("CartPole-v1")
    with pytest.raises(HandrailError, match="holds 2 environments"):
        GymnasiumHost(gymnasium.make_vec("CartPole-v1", num_envs=2))

    class Old(Walker):
        def reset(self, *, seed=None):
            return Walker.reset(self, seed=seed)[0]

    with pytest.raises(HandrailError, match="reset returned a ndarray"):
        GymnasiumHost(Old()).reset(key=KEY)

    class Seedless(Walker):
        def reset(self):
            raise AssertionError

    with pytest.raises(HandrailError, match=r"reset\(seed=\.\.\.\) raised TypeError"):
        GymnasiumHost(Seedless()).reset(key=KEY)


def test_a_cost_function_that_raises():
    host = GymnasiumHost(Walker(), lambda o, a, n, i: i["collisions"])
    with pytest.raises(HandrailError, match="cost function raised KeyError"):
        steps(host, 1)


def test_discrete_actions_that_do_not_start_at_zero():
    class Shifted(Walker):
        action_space = spaces.Discrete(3, start=-1)

        def move(self, action):
            assert action in (-1, 0, 1) and isinstance(action, int)
            self.count += 1

    host = GymnasiumHost(Shifted())
    assert host.actions == DiscreteActions(3)
    steps(host, 1, np.int32(2))
    assert host.env.taken == 1
