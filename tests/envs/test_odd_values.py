"""Costs, rewards, spaces and interfaces as other people's environments have them."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from handrail.core.errors import HandrailError
from handrail.envs.base import zero_action
from handrail.envs.conformance import check_environment
from handrail.envs.gymnasium.actions import BoxCodec
from handrail.envs.gymnasium.building import host_of
from handrail.envs.gymnasium.costs import Costs
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.gymnasium.vector import GymnasiumVectorHost
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import Always
from handrail.safe_exploration import SafeExploration
from tests.envs.test_gymnasium_host import steps
from tests.envs.toys import Broken, Walker

ACTION, KEY = np.ones(1, np.float32), jax.random.key(0)


def cost_of(value):
    return Costs().named(None, None, None, {"cost": value})["cost"]


@pytest.mark.parametrize(
    "one", [0.5, np.float32(0.5), np.array(0.5), np.array([0.5]), [[0.5]], jnp.full(1, 0.5), (0.5,)]
)
def test_one_number_is_one_number_however_it_is_wrapped(one):
    assert cost_of(one) == 0.5 and cost_of(np.array([True])) == 1.0
    named = Costs(limits={"a": 1.0}).named(None, None, None, {"cost": {"a": one}})
    assert named == {"a": 0.5}
    timestep = steps(GymnasiumHost(Broken(reward=one)), 3)[-1]
    assert timestep.reward == np.float32(0.5) and timestep.reward.shape == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.5", "the cost is '0.5'; expected one number"),
        (np.array("0.5"), "expected one number"),
        (None, "the cost is None; expected one number"),
        ([], "expected one number"),
        (1e300, "the cost is 1e\\+300; expected at most 3.4e\\+38"),
        (10**400, "the cost is inf; expected a finite number"),
        (np.array([0.5, 0.0]), r'2 numbers.*cost=lambda .*\{"a": .*limits=\{"a": ..., "b": ...\}'),
    ],
)
def test_costs_that_are_no_number(value, message):
    with pytest.raises(HandrailError, match=message):
        cost_of(value)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (np.nan, "the reward is nan; expected a finite number"),
        (None, "the reward is None; expected one number"),
        ("1.5", "the reward is '1.5'; expected one number"),
        (1e300, "the reward is 1e\\+300; expected at most"),
        (np.array([1.0, -1.0]), "the reward is array.*; expected one number"),
    ],
)
def test_rewards_are_read_alike_everywhere(reward, message):
    with pytest.raises(HandrailError, match=message):
        steps(GymnasiumHost(Broken(reward=reward)), 3)
    guarded = SafeExploration(Broken(reward=reward), none())
    guarded.reset(seed=0)
    with pytest.raises(HandrailError, match=f"Broken: {message}"):
        [guarded.step(ACTION) for _ in range(3)]
    found = {finding.rule: finding for finding in check_environment(lambda: Broken(reward=reward))}
    assert found["reward"].status == "wrong"


def test_a_reward_of_one_element_reaches_the_agent_as_it_is():
    guarded = SafeExploration(Broken(reward=np.array([2.0])), none())
    guarded.reset(seed=0)
    assert [guarded.step(ACTION)[1] for _ in range(3)][-1].shape == (1,)


def test_a_reset_without_a_seed_is_one_line():
    class NoSeed(Walker):
        def reset(self):
            return Walker.reset(self)

    class Only(Walker):
        def reset(self, *, seed=None, options=None):
            return Walker.reset(self, seed=seed)[0]

    with pytest.raises(
        HandrailError, match=r"NoSeed: reset\(seed=...\) raised TypeError: .*'seed'"
    ):
        SafeExploration(NoSeed(), none()).reset()
    with pytest.raises(HandrailError, match="Only: reset returned a ndarray; expected"):
        SafeExploration(Only(), none()).reset(seed=1)


def test_a_locked_joint_stays_where_it_is():
    low, high = np.array([-1, 0.1, 0], np.float32), np.array([1, 0.1, 4], np.float32)
    codec = BoxCodec(spaces.Box(low, high))
    for action in ([-1, -1, -1], [1, 1, 1], [0.5, 0, 0]):
        executed = codec.to_environment(np.array(action))
        assert executed[1] == np.float32(0.1)
        given = codec.from_environment(executed)
        np.testing.assert_allclose(given, [action[0], 0, action[2]], atol=1e-6)
    with pytest.raises(HandrailError, match="or low = high for numbers that stay as they are"):
        BoxCodec(spaces.Box(high, high))


def test_hints_name_a_wrapper_that_works():
    unbounded = spaces.Box(-np.inf, np.inf, (2, 1))
    with pytest.raises(HandrailError, match=r"TransformAction\(env, lambda a: a, .*\(2, 1\)\)\)"):
        BoxCodec(unbounded)


class Nested(Walker, gymnasium.Env):
    """Parts within parts."""

    observation_space = spaces.Dict(
        sensors=spaces.Dict(place=spaces.Box(-1, 1, (2,)), words=spaces.Text(5)),
        goal=spaces.Tuple((spaces.MultiDiscrete([3, 2]), spaces.MultiBinary(2))),
    )

    def observation(self):
        place = np.full(2, self.at, np.float32)
        goal = np.array([1, 0]), np.array([0, 1], np.int8)
        return {"sensors": {"place": place, "words": "hello"}, "goal": goal}


def test_parts_within_parts_have_names(tmp_path):
    with pytest.raises(HandrailError, match=r"'sensors.words' is a Text.*leave it out with parts="):
        GymnasiumHost(Nested())
    host = GymnasiumHost(Nested(), parts=["goal", "sensors.place"])
    seen = host.reset(key=KEY)
    assert seen.keys() == {"goal.0", "goal.1", "sensors.place"}
    assert seen["goal.0"].tolist() == [0, 1, 0, 1, 0] and seen["goal.1"].tolist() == [0, 1]
    assert (seen["sensors.place"] == host.env.at).all()
    findings = {finding.rule: finding for finding in check_environment(Nested, steps=5)}
    assert findings["observations"].status == "note"
    assert "sensors.words" in findings["observations"].message
    several = SyncVectorEnv([Nested] * 2)
    given = GymnasiumVectorHost(several, parts=["goal", "sensors.place"]).reset(
        np.ones(2, bool), keys=jax.random.split(KEY)
    )
    assert given["goal.0"].tolist() == [[0, 1, 0, 1, 0]] * 2


@pytest.mark.parametrize(
    "space", [spaces.MultiDiscrete([3, 2]), spaces.Dict(steer=Walker.action_space)], ids=str
)
def test_choices_and_parts_as_actions(space):
    """Numbered for a DQN, one vector for a student, the environment's own for everybody else."""

    class Acts(Walker, gymnasium.Env):
        action_space = space

        def move(self, action):
            assert space.contains(action), action
            self.count += 1

    host, keys = GymnasiumVectorHost(SyncVectorEnv([Acts] * 2)), jax.random.split(KEY)
    host.reset(np.ones(2, bool), keys=keys)
    zeros = np.asarray(zero_action(host.actions))
    host.step(np.stack([zeros] * 2), keys=keys)
    env = SafeExploration(Acts(), Intervention(Always(), Policy(lambda o, k: (zeros, {}))))
    env.reset(seed=0)
    proposed = space.sample()
    info = env.step(proposed)[-1]
    assert space.contains(info["executed_action"])
    assert info["proposed_action"] is proposed and info["intervened"]


class ParallelEnv:
    """PettingZoo's interface of several agents."""

    possible_agents = ("a", "b")

    def observation_space(self, agent):
        return spaces.Box(-1, 1, (2,))

    def action_space(self, agent):
        return spaces.Discrete(2)

    reset = step = None


class VecEnv:
    """The interface of stable-baselines3."""

    num_envs = 2
    action_space, observation_space = spaces.Discrete(2), spaces.Box(-1, 1, (2,))
    reset = step = step_wait = None


class Suite:
    """The interface of dm_env."""

    reset = step = action_spec = observation_spec = None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (ParallelEnv, "ParallelEnv has PettingZoo's interface of several agents; handrail takes"),
        (VecEnv, "VecEnv is a VecEnv of stable-baselines3, .*SyncVectorEnv"),
        (Suite, "Suite has dm_env's interface"),
    ],
)
def test_other_interfaces_are_named(env, message):
    with pytest.raises(HandrailError, match=message):
        host_of(env())
    with pytest.raises(HandrailError, match=message):
        SafeExploration(env(), none())
    assert check_environment(env)[0].status == "wrong"


@pytest.mark.parametrize("cost", [1.0, np.ones(1), {"a": 0.0, "b": 2.0}])
def test_a_cost_of_the_first_state_is_said_not_to_be_read(cost):
    class Danger(Walker):
        def reset(self, *, seed=None, options=None):
            return Walker.reset(self, seed=seed)[0], {"cost": cost}

    def finding(make, **options):
        found = {finding.rule: finding for finding in check_environment(make, steps=60, **options)}
        return found["cost"]

    assert finding(Danger).status == "note"
    assert "the cost in reset's info is not read" in finding(Danger).message
    own = finding(Danger, cost=lambda obs, action, next_obs, info: float(abs(next_obs[0]) > 0.1))
    assert own.status == "ok"
    assert finding(Walker).status == "ok"


def test_rewards_of_copies_may_be_a_column():
    class Columns(gymnasium.vector.SyncVectorEnv):
        def step(self, actions):
            observations, rewards, *rest = super().step(actions)
            return observations, rewards[:, None], *rest

    class Env(Walker, gymnasium.Env):
        pass

    zeros, keys = np.zeros((2, 1), np.float32), jax.random.split(jax.random.key(0))
    rewards = []
    for kind in (gymnasium.vector.SyncVectorEnv, Columns):
        host = host_of(kind([Env, Env]))
        host.reset(np.ones(2, np.bool_), keys=keys)
        rewards.append(host.step(zeros, keys=keys).reward.tolist())
    assert rewards[0] == rewards[1]
