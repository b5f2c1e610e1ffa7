"""On-policy methods in environments that are not ours, and the policy that they leave."""

import functools

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from handrail.api.policies import load_policy
from handrail.api.students import train_student
from handrail.core.errors import HandrailError
from handrail.core.records import read_table
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.settings import SacSettings
from tests.envs.toys import Walker

FEW = {
    "limit": 2.0, "episode_length": 20, "steps": 160, "epoch": 80, "evaluation_episodes": 2,
    "learning": SacSettings(hidden=(4,), batch=10),
    "on_policy": OnPolicySettings(batch=80, value_passes=1),
}  # fmt: skip


class Env(Walker, gymnasium.Env):
    """`Walker` as vector environments take it."""


def test_cpo_learns_on_the_host_side_by_side_and_its_policy_can_be_loaded(tmp_path):
    pair = functools.partial(SyncVectorEnv, [Env, Env])
    summary = train_student(pair, None, tmp_path, method="cpo", **FEW)
    assert summary["epochs"] == 2 and summary["intervention_rate"] == 0
    assert "onpolicy/kl" in read_table(tmp_path / "progress.csv")
    action = load_policy(tmp_path / "policy.safetensors", Walker)(np.zeros(2, np.float32))
    assert action.shape == (1,) and -2 <= action[0] <= 4
    assert train_student(pair, None, tmp_path, method="cpo", **FEW) == summary


def acting():
    return shield(lambda context: context.step < 0, Policy(lambda seen, key: (np.zeros(1), {})))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"intervention": acting()}, "intervention is given, .* leave intervention out"),
        ({"distil": True}, "under 'cpo' there is no guide to distil from: leave it out"),
        ({"threshold": 2.0}, "threshold is 2, but under 'cpo' no predicted cost"),
        ({"source_data": True}, "source_data is True, but method 'cpo'"),
        ({"source_price": 0.5}, "source_price is 0.5, but under 'cpo' there is no guide beside"),
        ({"takeover_cost": 2.0}, "takeover_cost is 2, but under 'cpo' no predicted cost"),
        ({"learning": SacSettings(replay=50)}, "learning.replay is 50, but method 'cpo'"),
        ({"on_policy": {"batch": 81}}, r"epoch is 80: expected a positive multiple of 81"),
    ],
)
def test_what_on_policy_methods_lack_is_refused(tmp_path, own, said):
    with pytest.raises(HandrailError, match=said):
        train_student(Walker, None, tmp_path / "run", method="cpo", **FEW | own)
    assert not (tmp_path / "run" / "run.json").exists()


def test_several_costs_are_refused(tmp_path):
    def costs(obs, action, next_obs, info):
        return {"heat": info["cost"], "noise": 0.0}

    options = {name: value for name, value in FEW.items() if name != "limit"}
    with pytest.raises(HandrailError, match=r"several costs .*'cpo' has one limit"):
        train_student(
            Walker, None, tmp_path, method="cpo", cost=costs, limits={"heat": 1.0, "noise": 1.0},
            **options,
        )  # fmt: skip


def test_their_settings_are_refused_where_there_is_a_replay(tmp_path):
    with pytest.raises(HandrailError, match="'sac-lagrangian' learns from a replay"):
        train_student(Walker, None, tmp_path, method="sac-lagrangian", **FEW)
