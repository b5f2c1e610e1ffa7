"""Wrappers with running statistics and simulators that are shared, wherever they are wrapped."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit
from gymnasium.wrappers.vector import NormalizeObservation as NormalizeObservations
from gymnasium.wrappers.vector import NormalizeReward as NormalizeRewards

from handrail.core.errors import HandrailError
from handrail.envs.conformance import check_environment
from handrail.envs.gymnasium.building import host_of
from handrail.envs.gymnasium.layers import is_shared, layers, refuse_running_statistics, simulators
from handrail.interventions.recipes import none
from handrail.safe_exploration import SafeExploration
from tests.envs.toys import Walker


class Env(Walker, gymnasium.Env):
    """`Walker` as Gymnasium's wrappers take it."""


class Running:
    """What libraries call `RunningMeanStd`."""

    def __init__(self):
        self.mean, self.var, self.count = np.zeros(2), np.ones(2), 0

    def update(self, batch):
        self.count += len(batch)


class Own(gymnasium.ObservationWrapper):
    """A normalisation of one's own, by another name."""

    def __init__(self, env):
        gymnasium.ObservationWrapper.__init__(self, env)
        self.scale = Running()

    def observation(self, observation):
        return observation


def normalized():
    return NormalizeObservation(Env())


def side_by_side(kind):
    return SyncVectorEnv([kind, kind])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (normalized, "NormalizeObservation"),
        (lambda: TimeLimit(NormalizeReward(Env()), 9), "NormalizeReward"),
        (lambda: Own(Env()), "Own"),
        (lambda: side_by_side(normalized), "NormalizeObservation"),
        (lambda: NormalizeObservations(side_by_side(Env)), "NormalizeObservation"),
        (lambda: NormalizeRewards(side_by_side(Env)), "NormalizeReward"),
    ],
)
def test_running_statistics_are_refused(make, name):
    message = f"it is wrapped in {name}, whose running statistics .* update_running_mean = False"
    with pytest.raises(HandrailError, match=message):
        host_of(make())


def test_statistics_in_other_processes_are_refused_and_frozen_ones_are_not():
    env = AsyncVectorEnv([normalized] * 2, context="spawn")
    try:
        with pytest.raises(HandrailError, match="its copies keep obs_rms, a wrapper's running"):
            host_of(env)
        env.set_attr("update_running_mean", False)
        assert host_of(env).copies == 2
    finally:
        env.close()


def test_what_is_no_running_statistic():
    frozen = NormalizeObservation(Env())
    frozen.update_running_mean = False
    for env in (frozen, TimeLimit(Env(), 9), gymnasium.wrappers.RecordEpisodeStatistics(Env())):
        refuse_running_statistics(env, "Env")
    measured = Env()
    measured.load = Running()  # the environment's own business
    refuse_running_statistics(TimeLimit(measured, 9), "Env")


def test_check_env_says_so():
    (finding,) = check_environment(normalized, steps=5)
    assert finding.status == "wrong" and "wrapped in NormalizeObservation" in finding.message


def test_an_intervention_sees_no_running_statistics():
    with pytest.raises(HandrailError, match="put that wrapper around SafeExploration"):
        SafeExploration(normalized(), none())
    NormalizeObservation(SafeExploration(Env(), none()))


def test_simulators_are_known_through_wrappers():
    one = Env()
    assert simulators(TimeLimit(one, 9)) == [one] and len(list(layers(TimeLimit(one, 9)))) == 2
    assert is_shared([*simulators(one), *simulators(TimeLimit(one, 9))])
    assert not is_shared(simulators(side_by_side(Env)))
    with pytest.raises(HandrailError, match="two copies are one and the same environment"):
        host_of(side_by_side(lambda: one))


def test_check_env_notices_a_function_that_gives_one_environment():
    one = Env()
    found = {finding.rule: finding for finding in check_environment(lambda: one, steps=50)}
    assert found["determinism"].status == "wrong"
    assert "gave one environment twice" in found["determinism"].message
