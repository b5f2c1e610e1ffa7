"""SAC-Lagrangian's equations against the recorded forward values of the original scripts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.equations import lagrangian
from handrail.equations.budget import discounted_limit
from handrail.equations.distillation import authors_distillation
from tests.learners.sac.recorded import subset

SCRIPTS = {"train-guide": 20.0, "sagui-cs": 25.0}


def forward(script):
    prefix = f"{script}/f64/fwd/"
    return {
        name.removeprefix(prefix): jnp.asarray(value)
        for name, value in subset().items()
        if name.startswith(prefix)
    }


@pytest.fixture(params=SCRIPTS)
def case(request):
    with jax.enable_x64(True):
        batch = {
            name.removeprefix("batch0/"): jnp.asarray(value, jnp.float64)
            for name, value in subset().items()
            if name.startswith("batch0/")
        }
        limit = discounted_limit(SCRIPTS[request.param], 0.99, 1000)
        yield request.param, forward(request.param), batch, limit


def reward_targets(f, batch, bonus, terminated=None):
    values = jnp.stack([f["qr1_pi_targ"], f["qr2_pi_targ"]], axis=1)
    return jax.vmap(
        lambda *x: lagrangian.reward_target(*x, discount=0.99, entropy_weight=f["alpha"])
    )(batch["rew"] + bonus, batch["done"] if terminated is None else terminated, values,
      f["logp_pi2"])  # fmt: skip


def bonus(script, f, batch):
    if script == "train-guide":
        return jnp.zeros_like(batch["rew"])
    distillation = authors_distillation()
    strength = distillation.strength(f["beta"], jnp.array(0.5))
    return jax.vmap(lambda r1: distillation.bonus(strength, r1))(batch["rew1"])


def test_weights(case):
    script, f, _, _ = case
    if script != "train-guide":
        assert lagrangian.positive(jnp.asarray(subset()["init/entreg/soft_alpha"])) == (
            pytest.approx(float(f["alpha"]), rel=1e-6)
        )
    beta = lagrangian.positive(jnp.asarray(subset()["init/costpen/soft_beta"]))
    assert beta == pytest.approx(float(f["beta"]), rel=1e-6)


def test_targets(case):
    script, f, batch, _ = case
    ours = reward_targets(f, batch, bonus(script, f, batch))
    np.testing.assert_allclose(ours, f["q_backup"], rtol=1e-6, atol=1e-7)
    ours = jax.vmap(lambda *x: lagrangian.cost_target(*x, discount=0.99))(
        batch["cost"], batch["done"], f["qc_pi_targ"]
    )
    np.testing.assert_allclose(ours, f["qc_backup"], rtol=1e-6, atol=1e-7)


def test_wrong_targets_are_found(case):
    script, f, batch, _ = case
    extra = bonus(script, f, batch)
    died = reward_targets(f, batch, extra, terminated=jnp.ones_like(batch["done"]))
    assert np.abs(died - f["q_backup"]).max() > 0.1  # a time limit treated as a death
    swapped = jax.vmap(lambda *x: lagrangian.cost_target(*x, discount=0.99))(
        batch["rew"], batch["done"], f["qc_pi_targ"]
    )
    assert np.abs(swapped - f["qc_backup"]).max() > 0.1  # cost backed up with the reward
    if script != "train-guide":
        assert np.abs(reward_targets(f, batch, 0.0 * extra) - f["q_backup"]).max() > 0.01


def test_losses(case):
    script, f, batch, limit = case
    kappa = lagrangian.damping(f["qc"], limit, 10.0)
    assert kappa == pytest.approx(float(f["damp"]), rel=1e-9)
    values = jnp.stack([f["qr1_pi"], f["qr2_pi"]], axis=1)
    losses = jax.vmap(
        lambda *x: lagrangian.actor_loss(
            *x, entropy_weight=f["alpha"], multiplier=f["beta"], damping=kappa
        )
    )(f["logp_pi"], values, f["qc_pi"])
    weight = batch["rho"] if script != "train-guide" else jnp.ones_like(batch["rho"])
    assert jnp.mean(weight * losses) == pytest.approx(float(f["pi_loss"]), rel=1e-6)
    ours = jax.vmap(lambda q: lagrangian.multiplier_loss(f["beta"], q, limit=limit))(f["qc"])
    np.testing.assert_allclose(ours, f["beta_loss"], rtol=1e-9)
    ours = jax.vmap(
        lambda logp: lagrangian.entropy_weight_loss(f["alpha"], logp, target_entropy=-2.0)
    )(f["logp_pi"])
    assert jnp.mean(ours) == pytest.approx(float(f["alpha_loss"]), rel=1e-9)


def test_of_several_critics_the_lowest_is_believed_or_what_is_asked_for():
    values, log_prob, nothing = jnp.array([1.0, 4.0]), jnp.array(-0.5), jnp.zeros(())
    for critic_reduction, value in (
        ({}, 1.0),
        ({"critic_reduction": jnp.mean}, 2.5),
        ({"critic_reduction": jnp.max}, 4.0),
    ):
        target = lagrangian.reward_target(
            jnp.array(0.25), nothing, values, log_prob,
            discount=0.5, entropy_weight=jnp.array(2.0), **critic_reduction,
        )  # fmt: skip
        assert float(target) == 0.25 + 0.5 * (value + 1.0)
        loss = lagrangian.actor_loss(
            log_prob, values, jnp.array(3.0),
            entropy_weight=jnp.array(2.0), multiplier=jnp.array(0.5), damping=nothing,
            **critic_reduction,
        )  # fmt: skip
        assert float(loss) == -1.0 - value + 1.5


def test_multiplier_rises_above_the_limit_and_falls_below():
    slope = jax.grad(
        lambda theta, q: lagrangian.multiplier_loss(lagrangian.positive(theta), q, limit=1.0)
    )
    assert (
        slope(0.0, jnp.array(2.0)) < 0 < slope(0.0, jnp.array(0.5))
    )  # descent raises β where the cost is too high
