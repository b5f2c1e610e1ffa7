"""What becomes of users' environments: when episodes end, who closes them, which are refused."""

import functools
import logging
import multiprocessing
import types

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from handrail.api.discrete import train_dqn, train_encoder, train_prior
from handrail.api.guides import train_guide, try_guide
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.envs.gymnasium.building import build_host, closes_environments, episode_steps
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.envs.transfer import SameView, View
from handrail.interventions.recipes import none
from handrail.methods.sagui.guide_view import default_view
from handrail.methods.sagui.problem import Interface
from handrail.safe_exploration import SafeExploration
from tests.api.test_own_training import FEW, Line, OtherEnd, Q, moved
from tests.envs.toys import Named, Walker

KEY = jax.random.key(0)


class Endless(Walker, gymnasium.Env):
    """`Walker` that never ends, and counts how often it was opened and closed."""

    opened = closed = 0

    def __init__(self):
        Walker.__init__(self)
        type(self).opened += 1

    def step(self, action):
        observation, reward, _, _, info = Walker.step(self, action)
        return observation, reward, False, False, info

    def close(self):
        type(self).closed += 1


@pytest.fixture(autouse=True)
def counted():
    Endless.opened = Endless.closed = 0


def student(environment, folder, **options):
    few = FEW | {"method": "sac-lagrangian", "limit": 5.0} | options
    return train_student(environment, None, folder, **few)


def test_a_time_limit_is_no_end():
    host = build_host(Endless, episode_length=3)
    host.reset(key=KEY)
    timesteps = [host.step(np.zeros(1), key=KEY) for _ in range(3)]
    assert [bool(timestep.truncated) for timestep in timesteps] == [False, False, True]
    assert not any(timestep.terminated for timestep in timesteps)
    with pytest.raises(HandrailError, match="call reset"):
        host.step(np.zeros(1), key=KEY)
    host.reset(key=KEY)
    assert not host.step(np.zeros(1), key=KEY).truncated

    class Over(Endless):
        def step(self, action):
            return *Walker.step(self, action)[:2], True, False, {"cost": 0.0}

    last = GymnasiumHost(Over(), episode_length=1)
    last.reset(key=KEY)
    timestep = last.step(np.zeros(1), key=KEY)
    assert timestep.terminated and not timestep.truncated


@closes_environments
def test_an_episode_is_no_longer_than_the_environment_lets_it_be():
    """Limits would be those of episodes of 5,000 steps, in episodes of 500."""
    host = build_host("CartPole-v1", episode_length=5_000)
    assert host.time_limit == episode_steps(host, 5_000) == 500
    assert episode_steps(build_host("CartPole-v1", episode_length=20), 20) == 20


def test_a_registered_limit_holds_where_nothing_enforces_it():
    env = Endless()
    env.spec = types.SimpleNamespace(id="Endless-v0", max_episode_steps=4)
    host = GymnasiumHost(env)
    assert host.time_limit == 4
    host.reset(key=KEY)
    ends = [bool(host.step(np.zeros(1), key=KEY).truncated) for _ in range(4)]
    assert ends == [False, False, False, True]


@pytest.mark.parametrize("kind", [Endless, functools.partial(SyncVectorEnv, [Endless])])
def test_episode_length_cuts_training_too(tmp_path, kind):
    summary = student(kind, tmp_path, episode_length=10)
    assert read_table(tmp_path / "episodes.csv")["length"].tolist() == [10] * 8
    assert summary["episodes"] == 8 and summary["final_return"] is not None
    assert read_table(tmp_path / "evaluations.csv")["target_length"].tolist() == [10, 10]


def test_it_cuts_below_the_environments_own_limit(tmp_path):
    train_guide(Walker, tmp_path, bonus=moved, limit=1.0, **(FEW | {"episode_length": 8}))
    assert set(read_table(tmp_path / "episodes.csv")["length"]) == {8}
    train_dqn(Line, tmp_path / "q", episode_length=7, steps=70, evaluation_episodes=1, learning=Q)
    assert max(read_table(tmp_path / "q" / "episodes.csv")["length"]) == 7
    with pytest.raises(HandrailError, match="episode_length is 0: expected at least 1"):
        train_dqn(Line, tmp_path / "0", episode_length=0)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_copies_are_cut_each_by_itself(tmp_path, mode):
    class Short(Walker, gymnasium.Env):
        def __init__(self):
            Walker.__init__(self, length=6)

    kinds = functools.partial(SyncVectorEnv, [Endless, Short], autoreset_mode=mode)
    student(kinds, tmp_path, episode_length=10)
    rows = read_table(tmp_path / "episodes.csv")
    lengths = dict(zip(rows["step"].tolist(), rows["length"].tolist(), strict=True))
    assert lengths == {12 * n: 6 for n in range(1, 7)} | {20 * n - 1: 10 for n in range(1, 5)}


def test_everything_that_was_built_is_closed(tmp_path):
    guide = train_guide(Endless, tmp_path / "guide", limit=1.0, **FEW)
    train_student(Endless, guide, tmp_path / "student", limit=2.0, **FEW)
    try_guide(Endless, guide, episode_length=20, episodes=1, takeover_cost=1.0)
    assert Endless.opened == Endless.closed == 5


class Broken(Endless):
    """It fails in the midst of training."""

    def step(self, action):
        raise ValueError("the simulator has gone")


class NoCost(Line):
    """`Line` that counts."""

    opened = closed = 0

    def __init__(self):
        Line.__init__(self)
        NoCost.opened += 1

    def close(self):
        NoCost.closed += 1


def test_it_is_closed_when_something_is_wrong(tmp_path):
    with pytest.raises(HandrailError, match="the simulator has gone"):
        student(Broken, tmp_path / "broken")
    assert Broken.opened == Broken.closed == 2
    for options in ({"limit": None}, {"parts": ["x"]}, {"episode_length": None}):
        with pytest.raises(HandrailError):
            student(Endless, tmp_path / "x", **options)
    with pytest.raises(HandrailError):
        try_guide(Endless, tmp_path / "nothing.safetensors")
    with pytest.raises(HandrailError, match=r"handrail\.train_dqn"):
        student(NoCost, tmp_path / "x")
    with pytest.raises(HandrailError, match="sources need the same"):
        train_prior([NoCost, Endless], tmp_path / "prior")
    with pytest.raises(HandrailError, match="for these there are"):
        train_encoder(Endless, tmp_path / "encoder")
    assert Endless.opened == Endless.closed > 0 and NoCost.opened == NoCost.closed == 3


def test_a_prior_that_would_learn_nothing_is_refused(tmp_path):
    late = {"learning": {"learning_starts": 1_000}, "prior_learning": Q}
    with pytest.raises(HandrailError, match=r"steps is 40, and learning starts after 1,000"):
        train_prior([Line, OtherEnd], tmp_path, steps=40, prior_steps=40, **late)


def test_closing_that_fails_loses_no_result(tmp_path, caplog):
    class Stuck(Endless):
        def close(self):
            raise OSError("still busy")

    with caplog.at_level(logging.WARNING):
        assert student(Stuck, tmp_path)["episodes"] == 4
    assert caplog.text.count("raised OSError: still busy") == 2


def test_one_simulator_for_training_and_evaluation_is_refused(tmp_path):
    robot = Endless()
    message = "training and evaluation each need their own: give a class.* on another port"
    for given in (
        robot,
        lambda: robot,
        lambda: gymnasium.wrappers.TimeLimit(robot, 20),
        lambda: SyncVectorEnv([lambda: robot]),
    ):
        with pytest.raises(HandrailError, match=message):
            student(given, tmp_path / "run")
    assert Endless.closed == 0  # it is the user's
    assert not (tmp_path / "run").exists()
    with pytest.raises(HandrailError, match="each need their own"):
        end = OtherEnd()
        train_prior([lambda: end, lambda: end], tmp_path / "prior")
    student(Endless, tmp_path / "other")
    assert Endless.closed == 2


def test_outside_of_training_hosts_are_the_callers():
    robot = Endless()
    assert build_host(lambda: robot).env is build_host(lambda: robot).env

    @closes_environments
    def inner():
        return build_host(Endless)

    @closes_environments
    def outer():
        build_host(Endless)
        inner()
        return Endless.closed

    assert outer() == 1 and Endless.closed == 2


def test_an_error_without_text_is_named(monkeypatch):
    def fails(name):
        raise AssertionError

    monkeypatch.setattr(gymnasium, "make", fails)
    with pytest.raises(HandrailError, match="'FetchReach-v4': AssertionError "):
        build_host("FetchReach-v4")


def test_a_part_called_observation_is_told_from_an_observation_without_parts():
    goals = {"observation": np.zeros(4), "desired_goal": np.zeros(2)}

    def view(expected, observation):
        return default_view(expected, Interface("Maze", observation, None, {}))

    assert view({"observation": [4]}, goals) == View.keep(["observation"])
    assert isinstance(view({"observation": [4]}, np.zeros(4)), SameView)
    assert isinstance(view({"observation": [4]}, {"desired_goal": np.zeros(4)}), SameView)
    assert view({"position": [1]}, {"position": np.zeros(1)}) == View.keep(["position"])
    assert Named().reset()[0]["position"].shape == (1,)


def _guarded_in_a_child(pipe):
    try:
        SafeExploration(Walker(), none())
    except HandrailError as error:
        pipe.send(str(error))


@pytest.mark.filterwarnings("ignore:os.fork")
def test_a_forked_process_says_so_instead_of_waiting_for_ever():
    jax.devices()  # JAX has run
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_guarded_in_a_child, args=(there,), daemon=True)
    child.start()
    try:
        assert here.poll(60), "it hangs"
        assert 'context="spawn"' in here.recv()
    finally:
        child.kill()
