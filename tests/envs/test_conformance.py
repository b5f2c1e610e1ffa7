"""check-env: every rule has an environment that breaks it, and the real ones keep them all."""

import gymnasium
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.conformance import RULES, check_environment
from tests.envs.toys import Broken, Named, SixTuple, Walker


def status(findings, rule):
    return {finding.rule: (finding.status, finding.message) for finding in findings}[rule]


def wrong(findings):
    return [finding.rule for finding in findings if finding.status == "wrong"]


@pytest.mark.parametrize("env", [Walker, SixTuple])
def test_a_good_environment(env):
    findings = check_environment(env, steps=100)
    assert [finding.rule for finding in findings] == list(RULES)
    assert not wrong(findings)
    assert "cost > 0 in" in status(findings, "cost")[1]
    assert "0 terminated, 5 truncated" in status(findings, "ends")[1]


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1"])
def test_real_environments(name):
    def cost(obs, action, next_obs, info):
        return float(abs(next_obs[0]) > 0.05)

    def make():
        return gymnasium.make(name, disable_env_checker=True)

    assert wrong(check_environment(make, cost=cost, steps=250)) == []
    assert wrong(check_environment(make, steps=20)) == ["cost"]


def test_parts_that_cannot_be_read_are_a_note():
    findings = check_environment(Named, steps=30)
    assert status(findings, "observations")[0] == "note"
    assert "parts=['phase', 'position']" in status(findings, "observations")[1]
    assert not wrong(findings)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"info": {}}, ["cost"]),
        ({"info": {"cost": -1}}, ["cost"]),
        ({"reward": np.nan}, ["reward"]),
        ({"observation": np.zeros(2)}, ["observation values", "observation in its space"]),
        ({"observation": np.full(2, 7, np.float32)}, ["observation in its space"]),
        ({"result": (0, 0, False, {})}, ["steps"]),
        ({"raises": ValueError("no")}, ["steps"]),
        ({"terminated": "yes"}, ["steps"]),
        ({"reward": np.nan, "info": {}}, ["reward", "cost"]),  # all are found at once
    ],
)
def test_bad_steps(changes, rules):
    findings = check_environment(lambda: Broken(**changes), steps=30)
    assert wrong(findings) == rules
    for rule in rules:
        assert "step 3: " in status(findings, rule)[1]


def test_a_cost_that_never_comes_is_a_note():
    findings = check_environment(Walker, cost=lambda *_: 0.0, steps=30)
    assert status(findings, "cost")[0] == "note"


def test_time_limits_that_are_reported_as_ends():
    class Ends(Walker):
        def step(self, action):
            observation, reward, _, end, info = Walker.step(self, action)
            return observation, reward, end, False, info

    assert status(check_environment(Ends, steps=100), "ends")[0] == "note"

    def make():
        env = Ends()
        env.spec = gymnasium.envs.registration.EnvSpec("Ends-v0", max_episode_steps=20)
        return env

    kind, message = status(check_environment(make, steps=100), "ends")
    assert kind == "wrong" and "5 episodes of 20 steps, which is max_episode_steps" in message


def test_randomness_that_the_seed_does_not_reach():
    class Unseeded(Walker):
        def reset(self, *, seed=None, options=None):
            return Walker.reset(self)

    kind, message = status(check_environment(Unseeded, steps=30), "determinism")
    assert kind == "wrong" and "step 0" in message

    class Remembers(Walker):
        drift = 0.0

        def move(self, action):
            Walker.move(self, action)
            self.drift += 0.001
            self.at -= self.drift

    kind, message = status(check_environment(Remembers, steps=30), "determinism")
    assert kind == "wrong" and "the same environment" in message


def test_seeds_that_make_no_difference_are_a_note():
    class Fixed(Walker):
        def reset(self, *, seed=None, options=None):
            return Walker.reset(self, seed=0)

    assert status(check_environment(Fixed, steps=30), "determinism")[0] == "note"


def test_resets():
    class Once(Walker):
        count = None

        def reset(self, *, seed=None, options=None):
            if self.count:
                raise RuntimeError("cannot")
            return Walker.reset(self, seed=seed)

    assert "reset after an end" in wrong(check_environment(Once, steps=30))

    class Old(Walker):
        def reset(self, *, seed=None, options=None):
            return Walker.reset(self, seed=seed)[0]

    assert wrong(check_environment(Old, steps=30)) == ["seeded reset"]


def test_what_cannot_even_begin():
    def broken():
        raise OSError("no display")

    assert "OSError: no display" in status(check_environment(broken), "builds")[1]
    assert wrong(check_environment(lambda: "CartPole-v1")) == ["builds"]

    class Unbounded(Walker):
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))

    assert wrong(check_environment(Unbounded)) == ["actions"]
    with pytest.raises(HandrailError, match="expected at least 1"):
        check_environment(Walker, steps=0)
