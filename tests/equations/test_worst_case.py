"""WCSAC's equations against what its authors' graph gave, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations import lagrangian
from handrail.equations.worst_case import cvar, cvar_factor, variance_loss, variance_target
from tests.support import data, part

RECORDED = part(data("methods"), "c_wcsac")
CASES = [("random", "cl0.9_damp10"), ("random", "cl0.1_damp10"), ("edge", "cl0.5_damp10")]
LEVEL = {"cl0.9_damp10": 0.9, "cl0.1_damp10": 0.1, "cl0.5_damp10": 0.5}


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def arrays(kind, case):
    given = {k: jnp.asarray(v, float) for k, v in part(part(RECORDED, kind), "in").items()}
    return given, part(part(RECORDED, kind), f"f64/{case}")


@pytest.mark.parametrize(("level", "factor"), [(0.1, 1.755), (0.5, 0.798), (0.9, 0.195), (1, 0)])
def test_the_worst_lie_so_many_deviations_above_the_mean(level, factor):
    assert cvar_factor(level) == pytest.approx(factor, abs=5e-4)


@pytest.mark.parametrize("level", [0, -0.1, 1.5])
def test_a_level_is_a_share(level):
    with pytest.raises(HandrailError, match="risk level"):
        cvar_factor(level)


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_the_variance_is_learnt_as_there(kind, case):
    given, said = arrays(kind, case)
    goal = variance_target(
        given["c_ph"], given["qc"], given["qc_pi_targ"], given["qc_pi_var_targ"], discount=0.99
    )
    np.testing.assert_allclose(goal, said["qc_var_backup"], rtol=1e-5)
    loss, slope = jax.value_and_grad(lambda v: variance_loss(v, goal).mean())(given["qc_var"])
    np.testing.assert_allclose(loss, said["qc_var_loss"], rtol=1e-5)
    np.testing.assert_allclose(slope, said["d_qc_var_loss/d_qc_var"], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_actor_and_multiplier_look_at_the_worst_as_there(kind, case):
    given, said = arrays(kind, case)
    factor, limit = cvar_factor(LEVEL[case]), float(said["cost_constraint"])
    assert factor == pytest.approx(float(said["pdf_cdf"]), rel=1e-6)
    stored = cvar(given["qc"], given["qc_var"], factor=factor)
    kappa = lagrangian.damping(stored, limit, 10.0)
    np.testing.assert_allclose(kappa, said["damp"], rtol=1e-5)
    alpha, beta = jnp.asarray(said["alpha"]), jnp.asarray(said["beta"])

    def actor(mean, variance):
        losses = jax.vmap(
            lambda log_prob, rewards, cost: lagrangian.actor_loss(
                log_prob, rewards, cost, entropy_weight=alpha, multiplier=beta, damping=kappa
            )
        )
        rewards = jnp.stack([given["qr1_pi"], given["qr2_pi"]], axis=1)
        return losses(given["logp_pi"], rewards, cvar(mean, variance, factor=factor)).mean()

    pair = given["qc_pi"], given["qc_pi_var"]
    np.testing.assert_allclose(cvar(*pair, factor=factor), said["gamma_cvar_pi"], rtol=1e-5)
    loss, slopes = jax.value_and_grad(actor, argnums=(0, 1))(*pair)
    np.testing.assert_allclose(loss, said["pi_loss"], rtol=1e-5)
    np.testing.assert_allclose(slopes[0], said["d_pi_loss/d_qc_pi"], rtol=1e-4)
    np.testing.assert_allclose(slopes[1], said["d_pi_loss/d_qc_pi_var"], rtol=1e-4, atol=1e-9)

    def multiplier(parameter):
        one = lambda q: lagrangian.multiplier_loss(lagrangian.positive(parameter), q, limit=limit)
        return jax.vmap(one)(stored).sum()

    slope = jax.grad(multiplier)(jnp.asarray(float(RECORDED["soft_beta"])))
    np.testing.assert_allclose(slope, said["d_beta_loss/d_soft_beta"], rtol=1e-5)
