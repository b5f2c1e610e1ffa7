"""Importance weights and distillation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import distillation as d
from handrail.equations import importance as i
from tests.learners.sac.recorded import subset

nats = st.floats(-(2.0**99), 2.0**99, width=32)


@pytest.mark.parametrize("script", ["sagui-cs", "sagui-ld"])
def test_ratios_agree_with_the_original(script):
    recorded = subset()
    student, guide = (recorded[f"rho/{script}/logp_{who}"] for who in ("student", "guide"))
    ours = jax.vmap(i.importance_weight)(jnp.asarray(student), jnp.asarray(guide))
    np.testing.assert_allclose(ours, recorded[f"rho/{script}/rho"], rtol=2e-5)


@given(nats, nats)
def test_ratio_is_bounded(student, guide):
    weight = i.importance_weight(jnp.float32(student), jnp.float32(guide))
    assert 0.0999 <= weight <= 2.0001


def test_ratio_of_impossible_actions():
    assert i.importance_weight(jnp.array(-jnp.inf), jnp.array(-jnp.inf)) == 1
    assert i.importance_weight(jnp.array(0.0), jnp.array(-jnp.inf)) == pytest.approx(2)
    assert i.importance_weight(jnp.array(-jnp.inf), jnp.array(0.0)) == pytest.approx(0.1)


def test_where_the_weight_enters():
    error, weight = jnp.float32(3), jnp.float32(0.5)
    assert i.weight_inside_square(error, weight) == pytest.approx(0.5 * 9 * 0.25)
    assert i.weight_outside_square(error, weight) == pytest.approx(0.5 * 9 * 0.5)


def test_strengths():
    beta, progress = jnp.float32(3), jnp.float32(0.25)
    assert d.authors_distillation().strength(beta, progress) == pytest.approx(0.31)
    assert d.paper_distillation().strength(beta, progress) == 3
    assert d.FixedStrength(0.2)(beta, progress) == pytest.approx(0.2)
    assert d.DecayingStrength(0.2)(beta, progress) == pytest.approx(0.15)
    assert d.DecayingStrength(0.2)(beta, jnp.float32(1)) == 0


def test_distillation_is_the_kl_term():
    """The bonus and the added entropy weight together are −ω KL, in expectation over actions."""
    policy, guide = (np.array(p) for p in ([0.7, 0.2, 0.1], [0.2, 0.5, 0.3]))
    paper, omega = d.paper_distillation(), jnp.float32(0.4)
    entropy_weight = paper.entropy_weight(omega, jnp.float32(0))
    bonuses = [float(paper.bonus(omega, jnp.float32(x))) for x in np.log(guide)]
    ours = policy @ (np.array(bonuses) - float(entropy_weight) * np.log(policy))
    assert ours == pytest.approx(-0.4 * np.sum(policy * np.log(policy / guide)), rel=1e-5)
    assert d.authors_distillation().entropy_weight(omega, jnp.float32(0.1)) == pytest.approx(0.1)


def test_floor():
    assert d.paper_distillation(floor=-5.0).bonus(jnp.float32(2), jnp.float32(-100)) == -10
    # where the strength has decayed to 0, even an impossible action is harmless
    assert d.paper_distillation().bonus(jnp.float32(0), jnp.array(-jnp.inf)) == 0
