"""Prioritized replay against the recorded original, a slow twin and its own probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.replay.prioritized import (
    Prioritized,
    PrioritizedState,
    importance_weights,
    indices_of_mass,
    last_of_each,
)
from handrail.replay.ring import RingState
from tests.support import SOURCES, contrastive, part


def authors_mass(uniform, priorities, size):
    """The original's masses: its total leaves out the last filled slot, so that is never drawn."""
    return uniform * (priorities.sum() - priorities[size - 1])


def snapshots(source):
    recorded = contrastive("a5_per", source)
    names = sorted({k.rsplit("/", 1)[0] for k in recorded if k.endswith("/uniform")})
    assert names
    return {name: part(recorded, name) for name in names}


def restore(snapshot):
    """Our state from a snapshot of the original's; the items play no part."""
    capacity, added = len(snapshot["priority_alpha"]), int(snapshot["size"])
    if added == capacity:
        added += int(snapshot["pos"])
    return Prioritized(capacity), PrioritizedState(
        RingState(jnp.zeros(capacity), jnp.asarray(added, jnp.int32)),
        jnp.asarray(snapshot["priority_alpha"]),
        jnp.asarray(snapshot["max_priority_raw"]),
    )


@pytest.mark.parametrize("source", SOURCES)
def test_draws_weights_and_updates_are_the_originals(source):
    with jax.enable_x64(True):
        for name, snapshot in snapshots(source).items():
            replay, state = restore(snapshot)
            mass = authors_mass(snapshot["uniform"], snapshot["priority_alpha"], snapshot["size"])
            indices = indices_of_mass(state.priorities, jnp.asarray(mass))
            np.testing.assert_array_equal(indices, snapshot["indices"], err_msg=name)
            weights = importance_weights(state.priorities, indices, float(snapshot["beta"]))
            np.testing.assert_allclose(weights, snapshot["is_weights"], rtol=1e-12, err_msg=name)
            errors = jnp.asarray(snapshot["td_abs"], jnp.float64)
            state = replay.feedback(state, indices, -errors)
            # The original adds the constant in float32.
            after = snapshot["priority_alpha_after_update"]
            np.testing.assert_allclose(state.priorities, after, rtol=1e-6, err_msg=name)
            largest = snapshot["max_priority_raw_after_update"]
            np.testing.assert_allclose(state.largest, largest, rtol=1e-6, err_msg=name)
            if "priority_alpha_after_3_more_adds" in snapshot:
                for _ in range(3):
                    state = replay.add(state, jnp.zeros(()))
                after = snapshot["priority_alpha_after_3_more_adds"]
                np.testing.assert_allclose(state.priorities, after, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("source", SOURCES)
def test_running_sums_and_duplicates_are_the_originals(source):
    recorded = contrastive("a5_per", source)
    priorities = jnp.asarray(recorded["prefix/priority"], jnp.float32)
    # Bounds belong to the next slot, so the last entry stays within the sum.
    mass = jnp.asarray(recorded["prefix/mass"], jnp.float32)
    np.testing.assert_array_equal(indices_of_mass(priorities, mass), recorded["prefix/index"])
    indices = jnp.asarray(recorded["dup/indices"])
    slots = jnp.where(last_of_each(indices), indices, 8)
    values = jnp.asarray(recorded["dup/weights"], jnp.float32)
    after = priorities.at[slots].set(values, mode="drop")
    np.testing.assert_allclose(after, recorded["dup/priority_after"])
    first_wins = priorities.at[indices[::-1]].set(values[::-1])
    assert np.any(first_wins != recorded["dup/priority_after"])


def test_near_misses_fail_the_recording():
    full_mass, batch_norm, stratified = 0, 0, 0
    with jax.enable_x64(True):
        for snapshot in snapshots("subset").values():
            priorities, size = snapshot["priority_alpha"], snapshot["size"]
            right, n = snapshot["indices"], len(snapshot["indices"])

            def drawn(mass, priorities=priorities):
                return np.asarray(indices_of_mass(jnp.asarray(priorities), jnp.asarray(mass)))

            full_mass += np.any(drawn(snapshot["uniform"] * priorities.sum()) != right)
            strata = (np.arange(n) + snapshot["uniform"]) / n
            stratified += np.any(drawn(authors_mass(strata, priorities, size)) != right)
            weights = priorities[right] ** -snapshot["beta"]
            batch_norm += not np.allclose(weights / weights.max(), snapshot["is_weights"])
    assert full_mass and batch_norm and stratified


def test_the_originals_never_draw_the_newest_slot_but_we_do():
    recorded = contrastive("a5_per", "subset")
    for case in ("cap37_n10", "cap50_n73", "cap2_n2"):
        assert recorded[f"{case}/draws60000_count_last_slot"] == 0
        assert recorded[f"{case}/draws60000_expected_last_slot"] > 50
    replay = Prioritized(4)
    state = replay.init(jnp.zeros(()))
    for i in range(3):
        state = replay.add(state, jnp.float32(i))
    indices = replay.sample(state, 300, key=jax.random.key(0)).indices
    assert set(np.unique(indices)) == {0, 1, 2}


def test_the_frequency_of_draws_is_the_priority():
    replay = Prioritized(12, alpha=0.7)
    state = replay.init(jnp.zeros(()))
    for i in range(9):
        state = replay.add(state, jnp.float32(i))
    errors = jnp.array([0.0, 0.01, -0.1, 0.5, 1.0, -2.0, 3.0, 0.3, 8.0])
    state = replay.feedback(state, jnp.arange(9), errors)
    n = 40_000
    sample = replay.sample(state, n, beta=1.0, key=jax.random.key(1))
    expected = (np.abs(errors) + 1e-5) ** 0.7
    expected = expected / expected.sum()
    counts = np.bincount(sample.indices, minlength=12)
    assert np.all(counts[9:] == 0)
    assert np.all(np.abs(counts[:9] - n * expected) <= 5 * np.sqrt(n * expected) + 1)
    # With beta = 1 the weights undo the draw: every drawn slot carries the same total.
    totals = np.bincount(sample.indices, weights=np.asarray(sample.weights), minlength=12)[3:9]
    np.testing.assert_allclose(totals, totals.mean(), rtol=0.12)


class Twin:
    """The same memory as slow Python lists and loops, driven by the same uniform numbers."""

    def __init__(self, capacity, alpha):
        self.capacity, self.alpha, self.rows, self.next, self.largest = capacity, alpha, {}, 0, 1.0

    def add(self, item):
        self.rows[self.next] = [item, self.largest**self.alpha]
        self.next = (self.next + 1) % self.capacity

    def sample(self, uniform, beta):
        total = sum(priority for _, priority in self.rows.values())
        smallest = min(priority for _, priority in self.rows.values())
        chosen = []
        for u in uniform:
            running = 0.0
            for slot in sorted(self.rows):
                running += self.rows[slot][1]
                if running > u * total:
                    break
            chosen.append(slot)
        weights = [(self.rows[slot][1] / smallest) ** -beta for slot in chosen]
        return chosen, weights

    def feedback(self, slots, errors):
        for slot, error in zip(slots, errors, strict=True):
            self.rows[slot][1] = (abs(error) + 1e-5) ** self.alpha
            self.largest = max(self.largest, abs(error) + 1e-5)


REPLAY = Prioritized(6, alpha=0.6)
twin_add = jax.jit(lambda state, item, where: REPLAY.add(state, item, where=where))
twin_sample = jax.jit(lambda state, beta, key: REPLAY.sample(state, 8, beta=beta, key=key))
twin_feedback = jax.jit(REPLAY.feedback)
operations = st.lists(
    st.one_of(st.sampled_from(["add", "skip"]), st.floats(0.0, 1.0)), min_size=1, max_size=14
)


@settings(max_examples=25)
@given(operations, st.integers(0, 1000))
def test_equals_the_slow_twin(operations, seed):
    with jax.enable_x64(True):
        state, twin = REPLAY.init(jnp.zeros(())), Twin(6, 0.6)
        rng = np.random.default_rng(seed)
        for t, operation in enumerate(["add", *operations]):
            if operation in ("add", "skip"):
                state = twin_add(state, jnp.float64(t), jnp.asarray(operation == "add"))
                if operation == "add":
                    twin.add(float(t))
                continue
            key = jax.random.fold_in(jax.random.key(seed), t)
            sample = twin_sample(state, jnp.asarray(operation), key)
            slots, weights = twin.sample(np.asarray(jax.random.uniform(key, (8,))), operation)
            np.testing.assert_array_equal(sample.indices, slots)
            np.testing.assert_array_equal(sample.items, [twin.rows[s][0] for s in slots])
            np.testing.assert_allclose(sample.weights, weights, rtol=1e-9)
            errors = rng.normal(size=8)
            state = twin_feedback(state, sample.indices, jnp.asarray(errors))
            twin.feedback(slots, errors)
            expected = [twin.rows[s][1] if s in twin.rows else 0.0 for s in range(6)]
            np.testing.assert_allclose(state.priorities, expected, rtol=1e-12)
            np.testing.assert_allclose(state.largest, twin.largest, rtol=1e-12)


def test_an_empty_memory_gives_zeros_of_no_weight():
    replay = Prioritized(3)
    sample = replay.sample(replay.init(jnp.zeros(2)), 4, key=jax.random.key(0))
    assert np.all(sample.weights == 0)
    assert np.all(sample.indices == 0)


def test_equal_in_a_scan_over_seeds_and_step_by_step():
    replay = Prioritized(5)

    def body(state, step_and_key):
        step, key = step_and_key
        state = replay.add(state, step.astype(jnp.float32))
        sample = replay.sample(state, 4, beta=0.5, key=key)
        state = replay.feedback(state, sample.indices, sample.items - 3.0)
        return state, sample

    def run(key):
        steps = jnp.arange(8)
        return jax.lax.scan(body, replay.init(jnp.zeros(())), (steps, jax.random.split(key, 8)))

    keys = jax.random.split(jax.random.key(0), 2)
    together = jax.vmap(run)(keys)
    for i, key in enumerate(keys):
        state = replay.init(jnp.zeros(()))
        for step, one in enumerate(jax.random.split(key, 8)):
            state, sample = body(state, (jnp.asarray(step), one))
        np.testing.assert_array_equal(together[1].indices[i, -1], sample.indices)
        np.testing.assert_allclose(together[0].priorities[i], state.priorities, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "word"), [({"alpha": -0.1}, "alpha"), ({"offset": 0.0}, "offset")]
)
def test_impossible_options_are_refused(options, word):
    with pytest.raises(HandrailError, match=word):
        Prioritized(4, **options)
