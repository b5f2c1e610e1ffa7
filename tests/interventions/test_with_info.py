"""Triggers that read numbers of `info`."""

from typing import ClassVar

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.discrete import train_dqn
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.interventions.base import Intervention
from handrail.interventions.on_host import on_host
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import Never, Predicate
from handrail.interventions.with_info import WithInfo, info_names
from handrail.methods.contrastive.settings import QLearning
from handrail.methods.sagui.settings import SacSettings
from handrail.safe_exploration import SafeExploration
from tests.envs.compiled_toys import Track
from tests.envs.toys import Walker

LEARNING = QLearning(hidden=(4,), learning_starts=20, replay=100, batch=4)
SAC = SacSettings(hidden=(4,), batch=4, train_every=10, updates=1, learning_starts=20, replay=100)


class Tells(Walker):
    """Says in info, and nowhere else, where it is: the shield of the tests needs it."""

    at_reset = True
    made: ClassVar[list] = []

    def __init__(self):
        Walker.__init__(self)
        self.went = []
        self.made.append(self)

    def reset(self, *, seed=None, options=None):
        observation, _ = Walker.reset(self, seed=seed, options=options)
        return observation, ({"where": self.at} if self.at_reset else {})

    def observation(self):
        return np.zeros(2, np.float32)

    def step(self, action):
        before = self.at
        *rest, info = Walker.step(self, action)
        self.went.append((before, float(action[0])))
        return *rest, info | {"where": self.at}

    @staticmethod
    def only_back(count):
        """Whether the first environments that were made, for training, went back where they had to;
        forgets all of them.
        """
        went = [step for env in Tells.made[:count] for step in env.went]
        Tells.made.clear()
        far = [pushed for before, pushed in went if before > 0.2]
        return len(far) > 0 and max(far) < 0 < max(pushed for _, pushed in went)


class Silent(Tells):
    at_reset = False


class Numbered(Tells):
    action_space = gymnasium.spaces.Discrete(2)

    def step(self, action):
        return Tells.step(self, [4.0 * action - 2])


def to_the_right(context):
    return context.info["where"] > 0.2


def back(observation, key):
    return jnp.full(1, -1.0), {}


def left(observation, key):
    return jnp.int32(0), {}


SHIELD = shield(to_the_right, Policy(back), info=["where"])


@pytest.mark.parametrize(
    "condition", [to_the_right, on_host(lambda context: float(context.info["where"]) > 0.2)]
)
def test_around_any_agent(condition):
    env = SafeExploration(Tells(), shield(condition, Policy(back), info=["where"]))
    _, info = env.reset(seed=0)
    stopped = []
    for _ in range(20):
        before = info["where"]
        info = env.step(np.array([4.0], np.float32))[-1]
        assert info["intervened"] == (before > 0.2)
        stopped.append(info["intervened"])
    assert 0 < sum(stopped) < 20


def test_in_the_loops_of_both_learners(tmp_path):
    Tells.made.clear()
    few = {"steps": 60, "episode_length": 20, "evaluation_episodes": 1}
    student = train_student(
        Tells, None, tmp_path / "student", method="sac-lagrangian", limit=5.0, intervention=SHIELD,
        epoch=20, learning=SAC, **few,
    )  # fmt: skip
    assert 0 < student["shield_rate"] < 1 and Tells.only_back(1)
    discrete = shield(to_the_right, Policy(left), info=["where"])
    several = lambda: gymnasium.vector.SyncVectorEnv([Gymnastic] * 2)
    both = train_dqn(several, tmp_path / "two", intervention=discrete, learning=LEARNING, **few)
    assert 0 < both["intervention_rate"] < 1 and Tells.only_back(2)


class Gymnastic(gymnasium.Env):
    """`Numbered` for vectors of Gymnasium."""

    action_space, observation_space = Numbered.action_space, Numbered.observation_space

    def __init__(self):
        self.inner = Numbered()

    def reset(self, *, seed=None, options=None):
        return self.inner.reset(seed=seed)

    def step(self, action):
        return self.inner.step(action)


def test_a_reset_that_says_nothing_is_not_safe():
    env = SafeExploration(Silent(), SHIELD)
    env.reset(seed=0)
    first = env.step(np.array([0.0], np.float32))[-1]
    assert first["intervened"] and first["evidence"]["not_finite"] == 1
    second = env.step(np.array([0.0], np.float32))[-1]
    assert not second["intervened"]


def test_what_was_not_asked_for_is_refused_when_built():
    for condition in (to_the_right, lambda context: context.info.get("where", 0.0) > 0.2):
        with pytest.raises(HandrailError, match=r"info\['where'\] is read, but nothing was asked"):
            SafeExploration(Tells(), shield(condition, Policy(back)))
    with pytest.raises(HandrailError, match=r"only \['other'\] were asked for"):
        SafeExploration(Tells(), shield(to_the_right, Policy(back), info=["other"]))


def test_a_compiled_environment_has_none(tmp_path):
    with pytest.raises(HandrailError, match=r"a trigger asks for \['where'\] of info"):
        train_student(
            Track(), None, tmp_path, method="sac-lagrangian", limit=5.0,
            intervention=SHIELD, steps=20, epoch=20, learning=SAC,
        )  # fmt: skip


def test_what_a_step_lacks_is_one_error():
    typo = shield(lambda context: context.info["wher"] > 0, Policy(back), info=["wher"])
    env = SafeExploration(Tells(), typo)
    env.reset(seed=0)
    with pytest.raises(HandrailError, match=r"asks for info\['wher'\], but .* has 'cost', 'where'"):
        env.step(np.array([0.0], np.float32))


def test_names():
    both = WithInfo(Predicate(to_the_right), ["where", "b"]) | WithInfo(Never(), ["a"])
    assert info_names(Intervention(both, Policy(back))) == ("a", "b", "where")
    assert info_names(None) == ()
    for wrong in ("where", []):
        with pytest.raises(HandrailError, match="expected a list of names"):
            WithInfo(Never(), wrong)
