"""Learning that diverges stops the run, says why, and leaves its last good state."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import load
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.replay.prioritized import Prioritized
from handrail.replay.ring import Ring
from handrail.train.checkpoint import load_checkpoint
from handrail.train.compiled import Loop
from handrail.train.health import BOUNDS, Diverged, Symptom, refuse_diverged, symptoms, used_up
from tests.train.small import SETTINGS, run, shared_loop, small_loop

BLOCKS = np.array([1.0, 2.0, 3.0])


def named(found: list[Symptom]) -> dict[str, str]:
    return {symptom.name: symptom.kind for symptom in found}


def test_a_healthy_run_has_no_symptoms():
    metrics = {
        "sac/multiplier": 400 * BLOCKS,
        "sac/cost_value": -BLOCKS,
        "sac/actor_loss": 1e9 * BLOCKS,
    }
    assert symptoms(metrics, {"weight": jnp.ones(3), "count": jnp.arange(3)}) == []
    assert symptoms({}, {}) == [], "a chunk without learning"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_block_that_is_not_finite_is_found(bad):
    assert named(symptoms({"a": BLOCKS, "b": np.array([1.0, bad, 2.0])}, {})) == {"b": "finite"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["replay", "seen", "unsafe"])
@pytest.mark.parametrize("memory", [Ring(2), Prioritized(2)], ids=["ring", "prioritized"])
def test_parameters_that_are_not_finite_are_found_and_no_memory_is_searched(bad, name, memory):
    stored = memory.add(memory.init(jnp.zeros(())), jnp.float32(bad))
    state = {"actor": {"weight": jnp.array([0.0, bad])}, name: stored}
    assert list(named(symptoms({}, state)).values()) == ["finite"]
    assert "actor" in next(iter(named(symptoms({}, state))))


@pytest.mark.parametrize(
    ("name", "kind"), [("sac/multiplier", "multiplier"), ("sac/cost_value", "value")]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_hold_in_every_block_and_in_both_directions(name, kind, sign):
    bound = BOUNDS[kind]
    within = np.array([0.0, sign * bound, 0.0])
    assert symptoms({name: within}, {}) == []
    found = symptoms({name: 1.01 * within}, {})
    assert named(found) == {name: kind}
    assert found[0].value == pytest.approx(sign * 1.01 * bound)
    assert "reached" in str(found[0])


@pytest.mark.parametrize("theta", [-79.0, -81.0])
def test_a_multiplier_that_can_never_rise_again_is_found(theta):
    """β = softplus(θ) is 0 there; so is the slope with which θ would learn of violations."""
    state = {"learner": Learner(Parameters(jnp.float32(theta)))}
    found = symptoms({}, state)
    assert [symptom.kind for symptom in found] == (["parameter"] if theta < -80 else [])
    assert jax.grad(jax.nn.softplus)(jnp.float32(-110.0)) == 0


def test_what_is_learnt_is_searched_whatever_its_name():
    """A network that is called like a memory is none."""
    assert list(named(symptoms({}, {"replay_network": jnp.array([jnp.nan])}))) != []


class Parameters(eqx.Module):
    multiplier: jax.Array


class Learner(eqx.Module):
    parameters: Parameters


class LateLoop(Loop):
    """A loop whose agent's values explode after a number of steps, and which may use up states."""

    explodes: int = 0
    uses_up: bool = False

    def blocks(self, state, count, *, learn):
        after, records, metrics = super().blocks(state, count, learn=learn)
        if self.uses_up:
            jax.tree.map(lambda leaf: leaf.delete(), state.agent)
        if int(after.progress.step) > self.explodes:
            metrics = {**metrics, "group/multiplier": np.array([1.0, 2e6, np.nan][:2])}
        return after, records, metrics


def late(inner: Loop, **own) -> LateLoop:
    """The same loop, but for that."""
    fields = {field.name: getattr(inner, field.name) for field in dataclasses.fields(Loop)}
    return LateLoop(**fields, **own)


@pytest.mark.parametrize("uses_up", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["checkpoints", "none so far"])
def test_the_last_good_state_is_kept(tmp_path, uses_up, seconds):
    """The state at 2,000, before the chunk that ends at 3,000, whatever had been saved."""
    loop, folder = late(shared_loop(), explodes=2_000, uses_up=uses_up), tmp_path / "run"
    with pytest.raises(Diverged) as stopped:
        run(loop, folder, checkpoint_seconds=seconds)
    message = str(stopped.value)
    assert (
        "between steps 2,000 and 3,000: group/multiplier reached 2e+06 (allowed: 1e+06)" in message
    )
    assert "the multiplier's steps are too large" in message
    assert "checkpoints/step-0000002000.safetensors" in message
    assert "\n" not in message

    whole = shared_loop()
    good = whole.init(key=jax.random.key(7))
    for learn in (False, True):  # two chunks of a thousand steps
        good, _, _ = whole.blocks(good, 1_000 // whole.agent.train_every, learn=learn)
    _, arrays = load(folder / "checkpoints" / "step-0000002000.safetensors")
    kept = run_state(folder, whole)
    assert bool(eqx.tree_equal(kept, good))
    assert all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")
    report = read_json(folder / "diverged.json")
    assert report["step"] == 2_000 and report["before"]["step"] == 2_000
    assert report["symptoms"] == [{"name": "group/multiplier", "kind": "multiplier", "value": 2e6}]


def run_state(folder, loop):
    import json

    found = load_checkpoint(
        folder, loop.init(key=jax.random.key(7)), settings=json.dumps(SETTINGS, sort_keys=True)
    )
    assert found is not None
    return found[2]


def test_a_diverged_run_is_not_run_again_until_its_report_is_deleted(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Diverged):
        run(late(shared_loop(), explodes=1_000), folder)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(Diverged, match=r"has diverged and would again: .*delete .*diverged\.json"):
        run(shared_loop(), folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    (folder / "diverged.json").unlink()
    assert run(shared_loop(), folder)["steps"] == shared_loop().total, "goes on from 1,000"


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", '{"step": ' + "9" * 5_000 + "}", ""])
def test_a_damaged_report_is_one_error(tmp_path, text):
    (tmp_path / "diverged.json").write_text(text)
    with pytest.raises(HandrailError, match=r"diverged\.json is damaged"):
        refuse_diverged(tmp_path)


def test_networks_that_were_kept_are_named(tmp_path):
    folder = tmp_path / "run"

    def watch(step, state):
        (folder / "best.safetensors").write_bytes(b"")

    with pytest.raises(Diverged, match=r"kept by evaluation: best\.safetensors"):
        run(late(shared_loop(), explodes=1_000), folder, watch=watch)


def test_an_absurd_learning_rate_leaves_finite_parameters(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Diverged, match=r"losses/td is not finite.*smaller learning rate"):
        run(small_loop(rate=1e30), folder)
    kept = run_state(folder, small_loop(rate=1e30))
    leaves = jax.tree.leaves(eqx.filter(kept.agent.network, eqx.is_inexact_array))
    assert leaves and all(np.isfinite(leaf).all() for leaf in leaves)


def test_used_up_states_are_recognised():
    state = {"a": jnp.ones(2), "b": np.ones(2), "c": 1}
    assert not used_up(state)
    state["a"].delete()
    assert used_up(state)
