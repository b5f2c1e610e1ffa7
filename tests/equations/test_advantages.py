"""Advantages against recorded ones and a loop that is written as the formula reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.equations.advantages import (
    clipped_surrogate,
    generalised_advantages,
    penalised_advantage,
)
from handrail.learners.onpolicy.batch import centred, standardised
from tests.learners.onpolicy.recorded import recorded
from tests.support import SOURCES

TERMINATED, CUT = 1, (1, 2, 3)  # `end` of the recording: terminated, truncated, cut by the epoch


def of_recording(kept, signal, value, discount, trace):
    """The advantages of one signal, a row an environment."""
    end, values, last = kept["gae/end"], kept[f"gae/value_{value}"], kept[f"gae/last_value_{value}"]
    ended = np.isin(end, CUT)
    following = np.where(ended, last, np.roll(values, -1, axis=1))
    each = jax.vmap(lambda *x: generalised_advantages(*x, discount=discount, trace=trace))
    terminated = (end == TERMINATED).astype(np.float32)
    signals = kept[f"gae/{signal}"]
    return np.asarray(each(signals, values, following, terminated, ended.astype(np.float32)))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("case", "reward_trace", "cost_trace"), [("a", 0.95, 0.95), ("b", 0.97, 0.9)]
)
def test_they_are_the_recorded_ones(source, case, reward_trace, cost_trace):
    kept = recorded("b_onpolicy", source)
    reward = of_recording(kept, "reward", "r", 0.99, reward_trace)
    cost = of_recording(kept, "cost", "c", 0.99, cost_trace)
    for name, mine in (("r", reward), ("c", cost)):
        theirs = kept[f"gae/omnisafe/{case}/adv_{name}"]
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-4)
        targets = mine + kept[f"gae/value_{name}"]
        wanted = kept[f"gae/omnisafe/{case}/target_value_{name}"]
        np.testing.assert_allclose(targets, wanted, rtol=2e-4, atol=2e-4)
    if case == "a":  # what an update is given
        given_to_update = {
            "r": standardised(jnp.asarray(reward.ravel())),
            "c": centred(jnp.asarray(cost.ravel())),
        }
        for name, mine in given_to_update.items():
            theirs = kept[f"gae/omnisafe/a/adv_{name}_after_get"]
            np.testing.assert_allclose(mine, theirs.ravel(), rtol=2e-4, atol=2e-4)


def naive(rewards, values, following, terminated, ended, discount, trace):
    """Σ_k (γλ)^k δ_{t+k}, up to the end of the episode."""
    found = []
    for begin in range(len(rewards)):
        total, factor = 0.0, 1.0
        for t in range(begin, len(rewards)):
            bootstrap = 0.0 if terminated[t] else discount * following[t]
            total += factor * (rewards[t] + bootstrap - values[t])
            if ended[t]:
                break
            factor *= discount * trace
        found.append(total)
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), discount=st.floats(0, 1), trace=st.floats(0, 1))
def test_they_are_the_sums_of_the_formula(seed, discount, trace):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(3, 8))
    terminated = random.random(8) < 0.2
    ended = terminated | (random.random(8) < 0.2)
    with jax.enable_x64(True):
        arrays = [jnp.asarray(x, jnp.float64) for x in (*numbers, terminated, ended)]
        mine = generalised_advantages(*arrays, discount=discount, trace=trace)
    expected = naive(*numbers, terminated, ended, discount, trace)
    np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("source", SOURCES)
def test_the_price_of_cost_enters_as_recorded(source):
    kept = recorded("b_onpolicy", source)
    for multiplier, theirs in zip(kept["ppo/lambda"], kept["ppo/adv_surrogate"], strict=True):
        each = jax.vmap(penalised_advantage, in_axes=(0, 0, None))
        mine = each(kept["ppo/adv_r"], kept["ppo/adv_c"], jnp.float32(multiplier))
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "slope"),
    [(1.1, 2.0, 2.2, 2.0), (1.5, 2.0, 2.4, 0.0), (0.5, 2.0, 1.0, 2.0),
     (1.5, -2.0, -3.0, -2.0), (0.5, -2.0, -1.6, 0.0)],
)  # fmt: skip
def test_ratios_gain_nothing_beyond_the_clip(ratio, advantage, expected, slope):
    def surrogate(ratio):
        return clipped_surrogate(ratio, jnp.float32(advantage), clip=0.2)

    value, found = jax.value_and_grad(surrogate)(jnp.float32(ratio))
    assert value == pytest.approx(expected) and found == pytest.approx(slope)
