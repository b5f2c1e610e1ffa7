"""State check and action check against the recorded originals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.equations import safety_checks as equations
from tests.support import SOURCES, contrastive

CAPACITY = 100


def mean_nearest_distance_padded(embedding, stored, filled, k=10):
    """The authors' form: the `min(k, filled)` nearest of all rows, zero rows among them."""
    capacity = stored.shape[0]
    distances = jnp.sqrt(jnp.sum(jnp.square(stored - embedding[None]), axis=-1))
    nearest = -jax.lax.top_k(-distances, min(k, capacity))[0]
    count = jnp.minimum(filled, min(k, capacity))
    total = jnp.sum(jnp.where(jnp.arange(nearest.shape[0]) < count, nearest, 0.0))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.inf)


FORMS = {"filled_rows_only/": equations.mean_nearest_distance, "": mean_nearest_distance_padded}


def ring_after(embeddings, inserted):
    ring = np.zeros((CAPACITY, embeddings.shape[1]), embeddings.dtype)
    for i in range(inserted):
        ring[i % CAPACITY] = embeddings[i]
    return ring


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", SOURCES)
def test_distances_and_decisions_are_the_originals(source, form):
    recorded = contrastive("a3_state_check", source)
    inserted = recorded["k"]
    with jax.enable_x64(True):
        rings = [ring_after(recorded["unsafe_embeddings"], k) for k in inserted]
        stored = jnp.asarray(np.stack(rings), jnp.float64)
        latent = jnp.asarray(recorded["latent"], jnp.float64)
        distance = jax.vmap(FORMS[form])(latent, stored, jnp.asarray(inserted))
        near = jax.vmap(equations.is_near_unsafe)(distance, jnp.asarray(inserted))
    checked = inserted > 3
    reference = recorded[f"{form}mean_topk_dist_f64"]
    np.testing.assert_allclose(distance[checked], reference[checked], rtol=1e-12)
    assert np.all(np.isnan(reference[~checked]))
    unsafe = np.asarray(near) & (recorded["prior_prob_draw"] < 0.95)
    np.testing.assert_array_equal(~unsafe, recorded[f"{form}predicted_state_safe_f64"])


def test_zero_rows_change_decisions():
    recorded = contrastive("a3_state_check", "subset")
    safe = "predicted_state_safe_f64"
    assert np.sum(recorded[safe] != recorded[f"filled_rows_only/{safe}"]) >= 12


@given(st.integers(0, 9), st.integers(1, 12), st.integers(0, 10_000))
def test_equals_a_sort_over_the_filled_rows(filled, k, seed):
    rng = np.random.default_rng(seed)
    stored = rng.normal(size=(6, 3)).astype(np.float32)
    latent = rng.normal(size=3).astype(np.float32)
    arguments = (jnp.asarray(latent), jnp.asarray(stored), jnp.asarray(filled), k)
    rows = stored[: min(filled, 6)]
    nearest = np.sort(np.linalg.norm(rows - latent[None], axis=1))[:k]
    expected = nearest.mean() if len(nearest) else np.inf
    distance = equations.mean_nearest_distance(*arguments)
    np.testing.assert_allclose(distance, expected, rtol=1e-5)
    assert mean_nearest_distance_padded(*arguments) <= distance * (1 + 1e-6)
    if filled >= 6:
        np.testing.assert_allclose(mean_nearest_distance_padded(*arguments), distance)


def test_needs_more_than_the_minimum_of_entries():
    close = jnp.array(0.1)
    fires = [bool(equations.is_near_unsafe(close, n)) for n in range(6)]
    assert fires == [False, False, False, False, True, True]
    assert equations.is_near_unsafe(close, 1, min_entries=0)
    assert not equations.is_near_unsafe(jnp.array(2.5), 50)  # strictly below


@pytest.mark.parametrize("source", SOURCES)
def test_flags_and_alternatives_are_the_originals(source):
    recorded = contrastive("a4_action_check", source)
    q = jnp.asarray(recorded["q_row"])
    threshold = jnp.asarray(recorded["threshold"], jnp.float32)
    flagged = np.asarray(
        jax.vmap(equations.is_below_mean)(q, jnp.asarray(recorded["action"]), threshold)
    )
    alternatives = np.asarray(jax.vmap(equations.above_mean)(q, threshold))
    original = recorded["full_method/flagged"] == 1
    # The original flags equal values whose mean is rounded, then crashes for want of another.
    equal = np.ptp(recorded["q_row"], axis=1) == 0
    crashed = recorded["full_method/error"] != ""
    np.testing.assert_array_equal(flagged[~equal], original[~equal])
    assert np.all(crashed[(flagged != original)])
    assert np.any(flagged != original)
    np.testing.assert_array_equal(
        alternatives[original], recorded["full_method/alternatives"][original]
    )
    # Where the original crashes there is nothing to choose from, so the proposed action stands.
    assert not np.any(alternatives[crashed])


def test_flagging_with_the_wrong_side_of_the_threshold_fails_the_recording():
    recorded = contrastive("a4_action_check", "subset")
    q, threshold = recorded["q_row"].astype(float), recorded["threshold"]
    chosen = np.take_along_axis(q, recorded["action"][:, None], axis=1)[:, 0]
    wrong = chosen - q.mean(axis=1) < -threshold
    assert np.any(wrong != (recorded["full_method/flagged"] == 1))


@given(st.floats(-1e3, 1e3, width=32), st.integers(2, 9))
def test_equal_values_are_never_undesirable(value, actions):
    q = jnp.full(actions, value)
    assert not equations.is_below_mean(q, jnp.array(0))
    assert not jnp.any(equations.above_mean(q))


@given(st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4), st.integers(0, 3))
def test_an_undesirable_action_has_an_alternative_that_is_not_itself(values, action):
    q = jnp.array(values)
    if equations.is_below_mean(q, jnp.array(action)):
        alternatives = equations.above_mean(q)
        assert jnp.any(alternatives)
        assert not alternatives[action]
