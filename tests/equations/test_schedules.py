"""Schedules against the recorded originals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import schedules
from tests.support import SOURCES, contrastive


@pytest.mark.parametrize("source", SOURCES)
def test_epsilon_and_beta_are_the_originals(source):
    recorded = contrastive("a5_per", source)
    names = [k.removesuffix("/epsilon") for k in recorded if k.endswith("/epsilon")]
    assert len(names) == 5
    for name in names:
        total, fraction = recorded[f"{name}/total_and_fraction"]
        progress = jnp.asarray(recorded[f"{name}/t"] / total, jnp.float32)
        rate = functools.partial(schedules.exploration_rate, fraction=float(fraction))
        epsilon, beta = jax.vmap(rate)(progress), jax.vmap(schedules.importance_exponent)(progress)
        np.testing.assert_allclose(epsilon, recorded[f"{name}/epsilon"], atol=2e-7)
        np.testing.assert_allclose(beta, recorded[f"{name}/beta"], atol=2e-7)


quantity = st.floats(-5, 5, width=32, allow_subnormal=False)


@given(quantity, quantity, st.floats(0.1, 4.0))
def test_ends_are_exact_and_values_stay_between(start, end, duration):
    def at(elapsed):
        return float(schedules.linear(elapsed, start=start, end=end, duration=duration))

    assert at(0.0) == at(-1.0) == np.float32(start)
    assert at(duration) == at(10 * duration) == np.float32(end)
    low, high = sorted([start, end])
    inside = at(0.3 * duration)
    assert low - 1e-5 <= inside <= high + 1e-5


def test_steps_and_shares_agree():
    step = jnp.asarray(45_000)
    by_step = schedules.linear(step, start=1.0, end=0.05, duration=180_000)
    by_share = schedules.exploration_rate(45_000 / 200_000)
    np.testing.assert_allclose(by_step, by_share, rtol=1e-6)
    assert jax.jit(schedules.exploration_rate)(jnp.asarray(0.0)) == 1.0
