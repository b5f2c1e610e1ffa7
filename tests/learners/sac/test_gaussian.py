"""The squashed Gaussian head against the original's, at ordinary and extreme inputs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.importance import authors_point, exact_point
from handrail.networks.gaussian import GaussianPolicy, SquashedGaussian
from tests.learners.sac.recorded import subset


def head(dtype):
    recorded = subset()
    policy = GaussianPolicy(6, 2, (8, 8), key=jax.random.key(0))

    def arrays(p):
        layers = (*p.trunk, p.mean, p.log_std)
        return [x for layer in layers for x in (layer.weight, layer.bias)]

    names = [f"head/{kind}{n}" for n in range(4) for kind in "kb"]
    return eqx.tree_at(arrays, policy, [jnp.asarray(recorded[n].T, dtype) for n in names])


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_agrees_with_the_original(precision):
    recorded = subset()
    with jax.enable_x64(precision == "f64"):
        dtype = jnp.float64 if precision == "f64" else jnp.float32
        out = jax.vmap(head(dtype))(jnp.asarray(recorded["head/x"], dtype))
        u = jax.vmap(SquashedGaussian.pre_squash)(out, jnp.asarray(recorded["head/noise"], dtype))
        action = jnp.asarray(recorded["head/a"], dtype)
        ours = {
            "mu": jnp.tanh(out.mean),
            "pi": jnp.tanh(u),
            "logp_pi": jax.vmap(SquashedGaussian.log_prob)(out, u),
            "logp_a": jax.vmap(lambda p, a: p.log_prob(authors_point(a, a)))(out, action),
            "logp_a_when_fed_its_own_pi": jax.vmap(lambda p, a: p.log_prob(authors_point(a, a)))(
                out, jnp.tanh(u)
            ),
        }
        tolerance = 2e-5 if precision == "f32" else 1e-7
        for name, value in ours.items():
            assert np.isfinite(value).all(), name
            np.testing.assert_allclose(
                value, recorded[f"head/{precision}/{name}"], rtol=tolerance, atol=tolerance,
                err_msg=name,
            )  # fmt: skip


def test_authors_density_is_not_the_density():
    """Fed its own action, the original's density differs from the true one, which is ours."""
    recorded = subset()
    wrong = recorded["head/f64/logp_a_when_fed_its_own_pi"]
    right = recorded["head/f64/logp_pi"]
    assert np.abs(wrong - right).max() > 1
    out = jax.vmap(head(jnp.float32))(jnp.asarray(recorded["head/x"]))
    u = jax.vmap(SquashedGaussian.pre_squash)(out, jnp.asarray(recorded["head/noise"]))
    exact = jax.vmap(lambda p, a, u: p.log_prob(exact_point(a, u)))(out, jnp.tanh(u), u)
    np.testing.assert_allclose(exact, right, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("mean", [0.0, 0.7, -1.5])
@pytest.mark.parametrize("log_std", [-1.0, 0.5])
def test_density_integrates_to_one(mean, log_std):
    policy = SquashedGaussian(jnp.array([mean]), jnp.array([log_std]))
    u = jnp.linspace(-12, 12, 20001)[:, None]
    density = jnp.exp(jax.vmap(policy.log_prob)(u))
    assert jnp.trapezoid(density, jnp.tanh(u[:, 0])) == pytest.approx(1, abs=2e-3)


def test_finite_with_finite_gradients_at_extremes():
    def log_prob(mean, log_std, u):
        return SquashedGaussian(mean[None], log_std[None]).log_prob(u[None])

    grid = jnp.stack(
        jnp.meshgrid(
            jnp.array([-1e3, -1.0, 0.0, 50.0]), jnp.array([-20.0, 0.0, 2.0]),
            jnp.array([-1e3, -20.0, 0.0, 9.0, 1e3]),
        )
    ).reshape(3, -1)  # fmt: skip
    values = jax.vmap(jax.value_and_grad(log_prob, argnums=(0, 2)))(*grid)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(values))


def test_initialisation_is_glorot_uniform():
    policy = GaussianPolicy(60, 2, (256, 256), key=jax.random.key(1))
    for layer in (*policy.trunk, policy.mean, policy.log_std):
        limit = np.sqrt(6 / sum(layer.weight.shape))
        assert 0.95 * limit < np.abs(layer.weight).max() <= limit
        assert not layer.bias.any()


def test_sizes_are_checked():
    with pytest.raises(HandrailError, match="positive widths"):
        GaussianPolicy(0, 2, (32,), key=jax.random.key(0))
