"""A policy in NumPy is the policy, and a test on the host is the compiled test."""

import dataclasses

import jax
import numpy as np
import pytest

from handrail.envs.transfer import View
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.host_policy import HostPolicy
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.inputs import ScaledInputs
from handrail.replay.ring import Ring
from handrail.train.evaluate import evaluate_on_host, run_greedily, sampled
from tests.envs.on_host import OnHost
from tests.experiments.navigation.toy import LENGTH, Toy, unchecked


def policy(width: int, hidden=(6, 4), view=None, scale: float = 1.0, inputs=None) -> OnVectors:
    inner = GaussianPolicy(width, 2, hidden, inputs=inputs, key=jax.random.key(3))
    return OnVectors(jax.tree.map(lambda x: scale * x, inner), view)


@pytest.mark.parametrize("scale", [1.0, 30.0])  # the latter reaches both bounds of the deviation
@pytest.mark.parametrize("view", [None, View.keep(["b", "a"])])
@pytest.mark.parametrize("inputs", [None, ScaledInputs((0.1,) * 4 + (3.0,) * 4, (True, False) * 4)])
def test_a_policy_in_numpy_is_the_policy(view, scale, inputs):
    ours = policy(8, view=view, scale=scale, inputs=inputs)
    host, draws = HostPolicy(ours), np.random.default_rng(0)
    for _ in range(5):
        seen = {"b": draws.normal(size=2), "a": draws.normal(size=(2, 3))}
        seen = {name: part.astype(np.float32) for name, part in seen.items()}
        if view is not None:
            seen["c"] = np.ones(4, np.float32)
        expected, (mean, deviation) = ours(seen), host(seen)
        np.testing.assert_allclose(mean, expected.mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(deviation, np.exp(expected.log_std), rtol=1e-4)
        noise = draws.normal(size=2).astype(np.float32)
        action = host.act(seen, noise)
        np.testing.assert_allclose(
            action, np.tanh(expected.pre_squash(jax.numpy.asarray(noise))), atol=1e-5
        )
        assert action.dtype == np.float32


def test_a_policy_in_numpy_knows_all_that_a_policy_has():
    """A new field would be left out without a word: teach it to `HostPolicy`, then name it here."""
    known = {"trunk", "mean", "log_std", "inputs"}
    assert {field.name for field in dataclasses.fields(GaussianPolicy)} == known
    assert {field.name for field in dataclasses.fields(OnVectors)} == {"policy", "view"}


@pytest.mark.parametrize("inputs", [None, ScaledInputs((3.0,) * 5, (False,) * 5)])
def test_a_test_on_the_host_is_the_compiled_one(inputs):
    environment, ours, key = Toy(True), policy(5, inputs=inputs), jax.random.key(4)
    agent = SacAgent(replay=Ring(1))
    with unchecked():
        compiled = run_greedily(environment, agent, ours, episodes=3, key=key)
    host = evaluate_on_host(OnHost(environment), sampled(ours), episodes=3, key=key)
    np.testing.assert_allclose(host.returns, compiled.returns, rtol=1e-4)
    np.testing.assert_array_equal(host.costs, compiled.costs)
    np.testing.assert_array_equal(host.lengths, compiled.lengths)
    assert host.lengths.tolist() == [LENGTH] * 3
    assert len(set(host.returns.tolist())) == 3


def test_an_episode_is_cut_off_where_it_is_too_long():
    host = evaluate_on_host(
        OnHost(Toy(True)), sampled(policy(5)), episodes=2, longest=LENGTH - 1, key=jax.random.key(4)
    )
    assert host.lengths.tolist() == [LENGTH - 1] * 2
