"""Temporal-difference equations against recorded updates of the original scripts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import td
from tests.support import SOURCES, contrastive

GAMMA = 0.99
VARIANTS = ("per", "noper", "vanilla_noper")


def network(parameters, observation):
    for layer in (0, 2, 4):
        observation = observation @ parameters[f"network.{layer}.weight"].T
        observation = observation + parameters[f"network.{layer}.bias"][None]
        observation = jax.nn.relu(observation) if layer < 4 else observation
    return observation


class Recorded:
    """One recorded batch, in float64, with our targets beside the original's."""

    def __init__(self, source, variant, terminated=None):
        arrays = contrastive("a6_ddqn", source)
        self.arrays, self.variant = arrays, variant
        self.parameters = {k: self.get(f"q/{k}") for k in layers()}
        self.batch = {k: self.get(f"batch0/{k}") for k in ("obs", "next_obs", "reward")}
        self.action = jnp.asarray(arrays["mlp/batch0/action"])
        done = arrays["mlp/batch0/done"] if terminated is None else terminated
        target_net = {k: self.get(f"target/{k}") for k in layers()}
        self.q_next = network(target_net, self.batch["next_obs"])
        self.selector = network(self.parameters, self.batch["next_obs"])
        discount = jax.vmap(lambda d: td.bootstrap_discount(GAMMA, d))(jnp.asarray(done))
        rest = (self.batch["reward"], discount, self.q_next)
        if variant == "vanilla_noper":
            self.target = jax.vmap(td.max_target)(*rest)
        else:
            self.target = jax.vmap(td.double_q_target)(*rest, self.selector)

    def get(self, key):
        return jnp.asarray(self.arrays[f"mlp/{key}"], jnp.float64)

    def reference(self, key):
        return self.arrays[f"mlp/{self.variant}_f64/step0/{key}"]

    def loss(self, parameters):
        q = network(parameters, self.batch["obs"])
        error = jax.vmap(td.td_error)(q, self.action, self.target)
        weight = self.get("batch0/is_weight") if self.variant == "per" else jnp.ones_like(error)
        return jnp.mean(jax.vmap(td.weighted_squared_loss)(error, weight)), error


def layers():
    return [f"network.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("source", SOURCES)
def test_targets_and_losses_are_the_originals(source, variant):
    with jax.enable_x64(True):
        recorded = Recorded(source, variant)
        loss, error = recorded.loss(recorded.parameters)
        np.testing.assert_allclose(recorded.target, recorded.reference("td_target"), rtol=1e-6)
        np.testing.assert_allclose(loss, recorded.reference("loss"), rtol=1e-6)
        if variant == "per":
            np.testing.assert_allclose(jnp.abs(error), recorded.reference("td_abs"), rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_the_originals(variant):
    with jax.enable_x64(True):
        recorded = Recorded("complete", variant)
        gradients = jax.grad(lambda p: recorded.loss(p)[0])(recorded.parameters)
        for name in layers():
            norm = recorded.reference(f"grad_l2/{name}")
            np.testing.assert_allclose(jnp.linalg.norm(gradients[name]), norm, rtol=1e-6)
            if variant == "per":  # of the others only the norms were recorded
                reference = recorded.reference(f"grad/{name}")
                np.testing.assert_allclose(gradients[name], reference, rtol=1e-5, atol=1e-9)


def test_treating_time_outs_as_deaths_fails_the_recording():
    with jax.enable_x64(True):
        alive = ~contrastive("a6_ddqn", "subset")["mlp/batch0/done"]
        truncated = alive & (np.arange(alive.size) % 3 == 0)
        wrong = Recorded("subset", "per", terminated=~alive | truncated)
        difference = np.abs(np.asarray(wrong.target) - wrong.reference("td_target"))
        assert np.all(difference[truncated] > 1e-4)
        assert np.all(difference[~truncated] < 1e-6)


def test_selecting_with_the_target_network_fails_the_recording():
    with jax.enable_x64(True):
        recorded = Recorded("subset", "per")
        wrong = Recorded("subset", "vanilla_noper").target
        assert np.max(np.abs(wrong - recorded.reference("td_target"))) > 1e-3


def test_no_gradient_flows_into_the_target():
    def loss(target):
        error = td.td_error(jnp.array([1.0, 2.0]), jnp.array(0), target)
        return td.weighted_squared_loss(error)

    assert jax.grad(loss)(jnp.array(5.0)) == 0.0
    assert loss(jnp.array(5.0)) == 16.0


values = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3)


@given(values, values, st.integers(0, 2), st.floats(0, 0.9))
def test_double_q_never_exceeds_q_and_advantage_learning_keeps_the_best_action(
    value, selector, action, coefficient
):
    value, selector = jnp.array(value), jnp.array(selector)
    reward, discount = jnp.array(0.5), jnp.array(GAMMA)
    double = td.double_q_target(reward, discount, value, selector)
    single = td.max_target(reward, discount, value)
    assert double <= single
    assert td.double_q_target(reward, discount, value, value) == single
    lowered = td.advantage_learning_target(single, value, jnp.array(action), coefficient)
    assert lowered <= single
    best = td.advantage_learning_target(single, value, jnp.argmax(value), coefficient)
    assert best == single


def test_only_the_tasks_own_end_cuts_the_bootstrap():
    assert td.bootstrap_discount(GAMMA, jnp.array(True)) == 0.0
    assert td.bootstrap_discount(GAMMA, jnp.array(False)) == pytest.approx(GAMMA)
