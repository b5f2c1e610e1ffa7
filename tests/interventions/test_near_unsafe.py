"""State and action check against the recorded originals, and the reach that adapts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.types import Context
from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
from handrail.interventions.substitutes import Proposed, RandomAboveMean
from handrail.interventions.triggers import BelowMean
from tests.interventions.episodes import play, script
from tests.support import SOURCES, contrastive


def context(observation, proposed=0) -> Context:
    zero = jnp.int32(0)
    return Context(observation, jnp.asarray(proposed), {}, zero, zero, zero,
                   jnp.float32(0), jnp.float32(0))  # fmt: skip


def identity(known=None, **options) -> NearUnsafe:
    known = jnp.zeros((0, 50)) if known is None else known
    return NearUnsafe(lambda latent: latent, known, **options)


@pytest.mark.parametrize("source", SOURCES)
def test_the_state_check_is_the_recorded_one_on_filled_rows(source):
    """A violation in each recorded embedding in turn; between them the recorded questions."""
    recorded = contrastive("a3_state_check", source)
    near, embeddings = identity(), jnp.asarray(recorded["unsafe_embeddings"])
    count = len(embeddings)
    played = script(count, observation=embeddings, cost=[1.0] * count, terminated=[True] * count)
    _, memories, last = play(Intervention(near, Proposed()), played)
    inserted = jnp.asarray(recorded["k"])
    asked = jax.tree.map(lambda leaf: leaf[inserted], memories)
    judge = eqx.filter_jit(jax.vmap(lambda z, m: near(context(z), m, key=jax.random.key(0))))
    verdict = judge(jnp.asarray(recorded["latent"]), asked)
    checked = np.asarray(inserted) > 3
    distance = recorded["filled_rows_only/mean_topk_dist_f64"]
    np.testing.assert_allclose(verdict.evidence["distance"][checked], distance[checked], rtol=1e-5)
    drawn = recorded["prior_prob_draw"] < 0.95
    unsafe = recorded["filled_rows_only/predicted_state_safe_f64"] == 0
    np.testing.assert_array_equal(np.asarray(verdict.fires) & drawn, unsafe)
    assert not np.asarray(verdict.fires)[~checked].any()
    # The ring has turned over as the original's: what was inserted last stands at its slot.
    expected = np.concatenate([embeddings[100:150], embeddings[50:100]])
    np.testing.assert_array_equal(recorded.get("buffer_after_150", expected), expected)
    np.testing.assert_array_equal(memories.embeddings[150], expected)
    assert int(last.inserted) == count


def test_the_zero_rows_of_a_part_filled_buffer_would_miss_the_recording():
    recorded = contrastive("a3_state_check", "subset")
    safe = "predicted_state_safe_f64"
    assert np.any(recorded[safe] != recorded[f"filled_rows_only/{safe}"])


@pytest.mark.parametrize("source", SOURCES)
def test_the_action_check_and_its_alternatives_are_the_recorded_ones(source):
    recorded = contrastive("a4_action_check", source)
    q = jnp.asarray(recorded["q_row"])
    equal = np.ptp(recorded["q_row"], axis=1) == 0  # there the original crashes
    flagged, drawn, available = np.zeros((3, len(q)), object)
    for threshold in np.unique(recorded["threshold"]):
        rows = np.flatnonzero(recorded["threshold"] == threshold)
        check = BelowMean(lambda values: values, float(threshold))
        what = RandomAboveMean(lambda values: values, float(threshold))

        @eqx.filter_jit
        def decide(values, action, check=check, what=what):
            verdict = check(context(values, action), (), key=jax.random.key(0))
            keys = jax.random.split(jax.random.key(1), 150)
            chosen = jax.vmap(lambda key: what(context(values, action), key=key))(keys)
            return verdict, chosen

        verdicts, chosen = jax.vmap(decide)(q[rows], jnp.asarray(recorded["action"][rows]))
        flagged[rows] = np.asarray(verdicts.fires)
        available[rows] = np.asarray(chosen.available[:, 0])
        for row, actions in zip(rows, np.asarray(chosen.action), strict=True):
            drawn[row] = set(actions.tolist())
    original = recorded["full_method/flagged"] == 1
    np.testing.assert_array_equal(flagged[~equal].astype(bool), original[~equal])
    for row in np.flatnonzero(original & ~equal):
        alternatives = set(np.flatnonzero(recorded["full_method/alternatives"][row]).tolist())
        assert bool(available[row]) == bool(alternatives)
        if alternatives:
            assert drawn[row] == alternatives, "uniform over exactly the original's alternatives"
    assert not available[equal & (recorded["threshold"] >= 0)].any()
    # Every action that the original executed could have come from here as well.
    executed, proposed = recorded["full_method/executed_action"], recorded["action"]
    for row in np.flatnonzero(original & ~equal & (executed != proposed)):
        assert executed[row] in drawn[row]


def test_the_wrong_sign_of_the_threshold_would_miss_the_recording():
    recorded = contrastive("a4_action_check", "subset")
    q, threshold = recorded["q_row"].astype(float), recorded["threshold"]
    advantage = q[np.arange(len(q)), recorded["action"]] - q.mean(axis=1)
    assert np.any((advantage < -threshold) != (recorded["full_method/flagged"] == 1))


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 2**31 - 1))
@settings(max_examples=25)
def test_known_embeddings_fill_the_memory_newest_last(known, capacity, seed):
    rows = np.random.default_rng(seed).normal(size=(known, 50)).astype(np.float32)
    memory = identity(jnp.asarray(rows), capacity=capacity).init()
    kept = rows[-capacity:]
    assert int(memory.inserted) == len(kept)
    np.testing.assert_array_equal(memory.embeddings[: len(kept)], kept)


def follow(reach, distances, unsafe):
    def step(now, step):
        return reach.observe(now, *step), now

    streamed = (jnp.asarray(distances, jnp.float32), jnp.asarray(unsafe))
    last, history = jax.lax.scan(step, reach.init(), streamed)
    return float(last), np.asarray(history)


@pytest.mark.parametrize("quantile", [0.1, 0.5])
@pytest.mark.parametrize("initial", [0.3, 20.0])
def test_an_adaptive_reach_finds_the_quantile_of_safe_distances(quantile, initial):
    distances = np.random.default_rng(1).lognormal(1.0, 0.6, size=30_000)
    reach = AdaptiveRadius(initial=initial, quantile=quantile, rate=0.01)
    _, history = follow(reach, distances, np.zeros(len(distances), bool))
    settled = history[-10_000:]
    np.testing.assert_allclose((distances[-10_000:] < settled).mean(), quantile, atol=0.02)
    truth = np.quantile(distances, quantile)
    np.testing.assert_allclose(np.median(settled), truth, rtol=0.06)


def test_an_adaptive_reach_follows_a_stream_that_shifts():
    rng = np.random.default_rng(2)
    distances = np.concatenate([rng.uniform(1, 2, 15_000), rng.uniform(4, 8, 15_000)])
    reach = AdaptiveRadius(initial=1.0, quantile=0.25, rate=0.01)
    _, history = follow(reach, distances, np.zeros(len(distances), bool))
    np.testing.assert_allclose(np.median(history[10_000:15_000]), 1.25, rtol=0.05)
    np.testing.assert_allclose(np.median(history[25_000:]), 5.0, rtol=0.05)


def test_a_missed_violation_lifts_the_reach_at_once_and_a_caught_one_does_not():
    reach = AdaptiveRadius(initial=2.0, margin=1.1)
    now = reach.init()
    missed = reach.observe(now, jnp.float32(3.0), jnp.array(True))
    np.testing.assert_allclose(missed, 3.3)
    assert missed > 3.0, "the same state would be caught now"
    assert reach.observe(now, jnp.float32(0.5), jnp.array(True)) == now
    fixed = FixedRadius(2.0)
    assert fixed.observe(fixed.init(), jnp.float32(3.0), jnp.array(True)) == 2.0


def test_the_reach_rests_until_enough_is_known_and_safe_states_are_not_stored():
    near = identity(radius=AdaptiveRadius(initial=2.0))
    rows = jnp.ones((8, 50)) * jnp.arange(8.0)[:, None]
    played = script(8, observation=rows, cost=[1, 1, 0, 1, 1, 0, 1, 0])
    _, memories, last = play(Intervention(near, Proposed()), played)
    reaches = np.asarray([*memories.reach, last.reach])
    assert (reaches[:6] == 2.0).all(), "up to the fourth violation nothing is learnt"
    assert reaches[6] < 2.0 or reaches[6] > 2.0
    assert np.asarray(memories.inserted).tolist() == [0, 1, 2, 2, 3, 4, 4, 5]
    np.testing.assert_array_equal(last.embeddings[:5, 0], [0, 1, 3, 4, 6])
    assert (np.asarray(last.embeddings[5:]) == 0).all()


def test_the_check_looks_before_it_remembers():
    """A violation must not be found near itself: its distance is to the earlier ones."""
    near = identity(jnp.zeros((4, 50)))
    played = script(2, observation=jnp.full((2, 50), 5.0), cost=[1.0, 0.0])
    decisions, _, _ = play(Intervention(near, Proposed()), played)
    distance = np.asarray(decisions.evidence["distance"])
    np.testing.assert_allclose(distance[0], 5 * np.sqrt(50), rtol=1e-6)
    np.testing.assert_allclose(distance[1], 4 / 5 * 5 * np.sqrt(50), rtol=1e-6)
