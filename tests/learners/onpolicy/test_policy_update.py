"""Whole updates of a policy against recorded ones of CPO and of PPO-Lagrangian."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.learners.onpolicy.multiplier import Multiplier
from handrail.learners.onpolicy.policy import divergence, log_ratio
from handrail.learners.onpolicy.trust_region import Surrogates, TrustRegion
from handrail.learners.onpolicy.updates import ppo_loss
from handrail.networks.gaussian import SquashedGaussian, gaussian_log_prob
from tests.learners.onpolicy.recorded import recorded
from tests.support import SOURCES

OBSERVATIONS, ACTIONS = 3, 2


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def linear_policy(parameters, observation):
    """The recorded policy: log-deviations, weights, biases."""
    weights = parameters[ACTIONS : ACTIONS + ACTIONS * OBSERVATIONS].reshape(ACTIONS, OBSERVATIONS)
    mean = weights @ observation + parameters[-ACTIONS:]
    return SquashedGaussian(mean, parameters[:ACTIONS])


@functools.partial(jax.jit, static_argnums=0)
def updated(region, parameters, observations, actions, reward, cost, excess):
    old = jax.vmap(functools.partial(linear_policy, parameters))(observations)

    def judge(at):
        new = jax.vmap(functools.partial(linear_policy, at))(observations)
        ratio = jnp.exp(jax.vmap(log_ratio)(new, old, actions))
        moved = jnp.mean(jax.vmap(divergence)(new, old))
        return Surrogates(jnp.mean(ratio * reward), jnp.mean(ratio * cost), moved)

    return region.step(judge, parameters, excess)


@pytest.mark.parametrize("source", SOURCES)
def test_cpo_steps_where_the_recorded_one_does(source, double):
    kept = recorded("a_cpo_policy", source)
    begin = kept["omnisafe/f64/theta_before"]
    assert set(kept["openai/eplen1/case"]) == {0, 1, 2, 3, 4}
    assert not kept["openai/eplen1/accepted"].all()  # one is refused by the line search
    for number in range(len(begin)):
        inputs = (kept[f"in/{name}"][number] for name in ("obs", "act", "adv_r", "adv_c", "c"))
        region = TrustRegion(radius=float(kept["in/delta"][number]))
        after, report = updated(region, begin[number], *inputs)
        assert bool(report.accepted) == bool(kept["openai/eplen1/accepted"][number])
        if report.accepted:
            tries = kept["openai/eplen1/backtracks"][number] + 1
            assert report.tries == tries
        step = np.linalg.norm(kept["openai/eplen1/theta_after"][number] - begin[number])
        off = np.linalg.norm(np.asarray(after) - kept["openai/eplen1/theta_after"][number])
        assert off <= 1e-3 * step, number


def test_a_step_that_is_not_finite_is_not_taken():
    def broken(at):
        value = jnp.sum(at) * jnp.where(jnp.all(at == 0), 1.0, jnp.nan)
        return Surrogates(value, -value, jnp.sum(at**2))

    after, report = TrustRegion().step(broken, jnp.zeros(2), jnp.float32(-1.0))
    assert not report.accepted and report.tries == 10 and (after == 0).all()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("clip", "weight"), [(0.2, 0.0), (0.1, 0.01)])
def test_ppos_loss_and_slopes_are_the_recorded_ones(source, clip, weight, double):
    kept = recorded("b_onpolicy", source)
    actions, log_std = kept["ppo/act"], jnp.asarray(kept["ppo/log_std"])

    def loss(mean, log_std, advantages):
        def one(mean, action, old_log_prob, advantage):
            new = SquashedGaussian(mean, log_std)
            return ppo_loss(new, action, old_log_prob, advantage, clip=clip, entropy_weight=weight)

        return jnp.mean(jax.vmap(one)(mean, actions, kept["ppo/logp_old"], advantages))

    density = jax.vmap(gaussian_log_prob, in_axes=(0, 0, None))(actions, kept["ppo/mu"], log_std)
    ratio = np.exp(np.asarray(density) - kept["ppo/logp_old"])
    edge = np.abs(np.abs(ratio - 1) - clip) < 1e-6
    assert edge.sum() < 8
    name = f"ppo/clip{clip}_ent{weight}"
    for number, advantages in enumerate(kept["ppo/adv_surrogate"]):
        value, slopes = jax.value_and_grad(loss, (0, 1))(kept["ppo/mu"], log_std, advantages)
        assert value == pytest.approx(kept[f"{name}/loss"][number], rel=1e-6, abs=1e-8)
        # where a ratio is recorded at the very edge of the clip, rounding decides about its slope
        mean = np.asarray(slopes[0])[~edge]
        np.testing.assert_allclose(mean, kept[f"{name}/grad_mu"][number][~edge], 1e-5, 1e-8)
        if not edge.any():
            wanted = kept[f"{name}/grad_log_std"][number]
            np.testing.assert_allclose(slopes[1], wanted, 1e-5, 1e-8)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("case", "limit", "initial", "rate"),
    [("adam_default", 25.0, 0.001, 0.035), ("adam_fast_neginit", 25.0, -1.0, 0.5)],
)
def test_the_multiplier_follows_the_costs_as_recorded(source, case, limit, initial, rate):
    kept = recorded("b_onpolicy", source)
    multiplier = Multiplier(initial, rate)

    def one(state, cost):
        state = multiplier.update(state, cost - limit)
        return state, state.multiplier

    costs = jnp.asarray(kept["lagrange/ep_cost"], jnp.float32)
    _, found = jax.lax.scan(one, multiplier.init(), costs)
    np.testing.assert_allclose(found, kept[f"lagrange/trace/{case}"][1:], rtol=1e-3, atol=1e-4)
