"""Undesirability and pseudo-reward against the recorded original, bad denominators included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import pseudo_reward as equations
from tests.support import SOURCES, contrastive

GAMMA = 0.99


def rewards(q, action, next_values, threshold):
    def one(q, action, values, threshold):
        return equations.pseudo_reward(q, action, values, discount=GAMMA, threshold=threshold)

    return np.asarray(jax.vmap(one)(q, action, next_values, threshold))


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_recorded_case(source, precision):
    recorded = contrastive("a1_undesirability", source)
    with jax.enable_x64(precision == "f64"):
        dtype = jnp.float64 if precision == "f64" else jnp.float32
        q, q_next = (jnp.asarray(recorded[k], dtype) for k in ("Q", "Qnext"))
        action = jnp.asarray(recorded["action"])
        threshold = jnp.asarray(recorded["threshold"], dtype)
        undesirable = np.asarray(jax.vmap(equations.undesirability)(q, action))
        reward = rewards(q, action, q_next.max(-1), threshold)
    reference = recorded[f"undesirability_{precision}"]
    known = ~np.isnan(reference)
    tolerance = 1e-13 if precision == "f64" else 1e-5
    np.testing.assert_allclose(undesirable[known], reference[known], tolerance, tolerance)
    # What is not a number in the original counts as 0; there it compares as below the threshold.
    assert known.sum() < known.size
    np.testing.assert_allclose(undesirable[~known], 0.0, atol=1e-9)
    np.testing.assert_allclose(reward, recorded[f"pseudo_reward_{precision}"], tolerance, tolerance)


@pytest.mark.parametrize("tasks", [2, 3])
def test_other_numbers_of_source_tasks(tasks):
    recorded = contrastive("a1_undesirability", "subset")
    with jax.enable_x64(True):
        q = jnp.asarray(recorded[f"N{tasks}_Q"], jnp.float64)
        q_next = jnp.asarray(recorded[f"N{tasks}_Qnext"], jnp.float64)
        action = jnp.asarray(recorded[f"N{tasks}_action"])
        undesirable = jax.vmap(equations.undesirability)(q, action)
        reward = rewards(q, action, q_next.max(-1), jnp.full(len(q), 0.1))
    np.testing.assert_allclose(undesirable, recorded[f"N{tasks}_undesirability_f64"], 1e-12)
    np.testing.assert_allclose(reward, recorded[f"N{tasks}_pseudo_reward_f64"], 1e-12)


def test_masking_differs_from_the_authors_only_by_the_next_values():
    recorded = contrastive("a1_undesirability", "subset")
    q = jnp.asarray(recorded["Q"])
    action = jnp.asarray(recorded["action"])
    values = jnp.asarray(recorded["Qnext"]).max(-1)
    threshold = jnp.asarray(recorded["threshold"], jnp.float32)
    masked = rewards(q, action, jnp.zeros_like(values), threshold)
    authors = rewards(q, action, values, threshold)
    mixture = jax.vmap(lambda q, a: jax.nn.softmax(equations.undesirability_weights(q, a)))
    expected = GAMMA * np.sum(mixture(q, action) * values, axis=-1)
    paid = authors != 0
    np.testing.assert_allclose((masked - authors)[paid], expected[paid], rtol=1e-4, atol=1e-5)
    # A terminal step that bootstraps from the next episode would not pass for a masked one.
    assert np.max(np.abs(masked - recorded["pseudo_reward_f64"])) > 0.1


def test_an_entropy_that_is_not_normalised_fails_the_recording(monkeypatch):
    recorded = contrastive("a1_undesirability", "subset")
    q, action = jnp.asarray(recorded["Q"]), jnp.asarray(recorded["action"])
    reference = recorded["undesirability_f64"]
    known = reference > 0.01  # also leaves out what is not a number
    ours = np.asarray(jax.vmap(equations.undesirability)(q, action))
    np.testing.assert_allclose(ours[known], reference[known], rtol=1e-4)
    plain = equations.normalised_entropy
    monkeypatch.setattr(equations, "normalised_entropy", lambda p: plain(p) * np.log(4))
    wrong = np.asarray(jax.vmap(equations.undesirability)(q, action))
    assert np.all(wrong[known] > 1.3 * reference[known])


@pytest.mark.parametrize("best", [0.0, 1e-30, -1e-8])
def test_a_best_value_near_zero_gives_no_reward_and_stays_finite(best):
    q = jnp.array([[best, best - 1.0], [1.0, 0.2]])
    action = jnp.array(1)
    assert equations.undesirability(q, action) == 0.0
    assert jnp.all(jnp.isfinite(equations.undesirability_weights(q, action)))
    reward = equations.pseudo_reward(q, action, jnp.ones(2), discount=GAMMA, threshold=0.1)
    assert reward == 0.0


entries = st.floats(0.125, 8.0, width=32)


@given(st.lists(entries, min_size=12, max_size=12), st.integers(0, 3))
def test_bounds_and_symmetry(values, action):
    q, action = jnp.array(values).reshape(3, 4), jnp.array(action)
    weights = equations.undesirability_weights(q, action)
    value = equations.undesirability(q, action)
    assert jnp.all((weights >= 0) & (weights <= 1))  # positive values: a share of the best one
    assert -1e-6 <= value <= jnp.mean(weights) + 1e-6
    np.testing.assert_allclose(equations.undesirability(q[::-1], action), value, atol=1e-6)
    np.testing.assert_allclose(equations.undesirability(4.0 * q, action), value, atol=1e-6)
    best_everywhere = jnp.full((3, 4), 0.1).at[:, action].set(1.0)
    assert equations.undesirability(best_everywhere, action) == 0.0
