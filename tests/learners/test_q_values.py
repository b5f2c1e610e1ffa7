"""One batch, one loss: direct, gathered and tabulated evaluation agree, and equal a naive twin."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Transition
from handrail.envs.lava.make import make_lava
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.operators import AdvantageLearning, DoubleQ, MaxQ
from handrail.learners.q.values import Direct, Gathered, OnFrames, Tabulated
from handrail.networks.lookup import Lookup
from handrail.networks.mlp import MLP
from handrail.networks.patches import PatchTable
from handrail.networks.pixels import NatureQ

DISCOUNT, SIZE = 0.97, 24
OPERATORS = {"double": DoubleQ(), "max": MaxQ(), "advantage": AdvantageLearning(0.3)}


def batch_of(environment, size: int) -> Transition:
    """Steps from random live rows; half of them forward, so that goals and lava occur."""
    rng = np.random.default_rng(0)
    row = rng.integers(environment.observations.live, size=size)
    action = np.where(rng.random(size) < 0.5, 2, rng.integers(0, 7, size))
    goal, lava = (np.asarray(t)[row, action] for t in (environment.enters_goal,
                                                       environment.unsafe_table))  # fmt: skip
    terminated = goal | lava
    after = np.asarray(environment.successor)[row, action]
    assert (after >= environment.observations.live).any(), "some rows are beyond the table"
    return jax.vmap(Transition)(
        observation=jnp.asarray(row, jnp.int32),
        proposed=jnp.asarray(rng.integers(0, 7, size), jnp.int32),
        action=jnp.asarray(action, jnp.int32),
        reward=jnp.asarray(rng.normal(size=size), jnp.float32),
        cost=jnp.asarray(lava, jnp.float32),
        next_observation=jnp.asarray(after, jnp.int32),
        terminated=jnp.asarray(terminated),
        truncated=jnp.asarray(rng.random(size) < 0.3),
        intervened=jnp.asarray(rng.random(size) < 0.3),
        weight=jnp.ones(size),
        extras={},
    )


def graded(values, operator, network, target, batch, weights):
    """Loss, errors and the gradient of the parameters, the way the agent takes them."""
    loss = TDLoss(values, operator, DISCOUNT)

    @jax.jit
    def run(network, target, batch, weights):
        policy_snapshot, pullback = jax.vjp(values.prepare, network)
        value, errors, cotangent = loss.gradient(
            policy_snapshot, values.prepare(target), batch, weights, key=jax.random.key(0)
        )
        return value, errors, pullback(cotangent)[0]

    return run(network, target, batch, weights)


def twin(frames, operator, network, target, batch, weights):
    """The textbook: targets as constants, then the mean of weighted squares, one line each."""

    @jax.jit
    def run(network, target):
        rows = jnp.arange(len(batch.reward))
        now, after = frames[batch.observation], frames[batch.next_observation]
        rated = jax.vmap(target)(after)
        best = jax.vmap(network)(after).argmax(1) if operator != "max" else rated.argmax(1)
        goal = batch.reward + DISCOUNT * (1.0 - batch.terminated) * rated[rows, best]
        if operator == "advantage":
            own = jax.vmap(target)(now)
            goal = goal - 0.3 * (own.max(1) - own[rows, batch.action])

        def loss(network):
            errors = goal - jax.vmap(network)(now)[rows, batch.action]
            return jnp.mean(weights * errors**2), errors

        (value, errors), gradient = jax.value_and_grad(loss, has_aux=True)(network)
        return value, errors, gradient

    return run(network, target)


def assert_same(left, right, **tolerance):
    for a, b in zip(left[:2], right[:2], strict=True):
        np.testing.assert_allclose(a, b, **tolerance)
    for a, b in zip(jax.tree.leaves(left[2]), jax.tree.leaves(right[2]), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@pytest.fixture(scope="module")
def symbolic():
    return make_lava("LavaGapS5", layout=1)


@pytest.mark.parametrize("name", OPERATORS)
def test_all_evaluations_equal_the_naive_twin(symbolic, name):
    frames = jnp.asarray(symbolic.observations.frames, jnp.float32)
    live = frames[: symbolic.observations.live]
    network, target = (MLP((frames.shape[1], 16, 7), key=jax.random.key(seed)) for seed in (0, 1))
    batch = batch_of(symbolic, SIZE)
    weights = jax.random.uniform(jax.random.key(2), (SIZE,))
    arguments = (OPERATORS[name], network, target)
    expected = twin(frames, name, network, target, batch, weights)
    gathered = graded(Gathered(frames), *arguments, batch, weights)
    tabulated = graded(Tabulated(OnFrames(live)), *arguments, batch, weights)
    seen = (frames[batch.observation], frames[batch.next_observation])
    as_frames = eqx.tree_at(lambda b: (b.observation, b.next_observation), batch, seen)
    direct = graded(Direct(), *arguments, as_frames, weights)
    for other in (gathered, tabulated, direct):
        assert_same(other, expected, rtol=2e-5, atol=2e-6)


def test_values_of_pixels_by_patches_equal_the_network_on_every_frame():
    environment = make_lava("LavaGapS5", layout=1, observation="pixels")
    frames = jnp.asarray(environment.observations.frames)
    table = PatchTable.compile(environment.observations.frames[: environment.observations.live])
    network, target = (NatureQ(7, key=jax.random.key(seed)) for seed in (0, 1))
    batch, weights = batch_of(environment, 8), jnp.ones(8)
    patches = graded(Tabulated(table), DoubleQ(), network, target, batch, weights)
    gathered = graded(Gathered(frames), DoubleQ(), network, target, batch, weights)
    assert_same(patches, gathered, rtol=1e-3, atol=1e-5)


def test_a_bootstrap_through_the_end_of_the_task_would_be_seen(symbolic):
    """The negative arm: with `terminated` cleared the same batch has other errors."""
    frames = jnp.asarray(symbolic.observations.frames, jnp.float32)
    network, target = (MLP((frames.shape[1], 16, 7), key=jax.random.key(seed)) for seed in (0, 1))
    batch, weights = batch_of(symbolic, SIZE), jnp.ones(SIZE)
    through = eqx.tree_at(lambda b: b.terminated, batch, jnp.zeros(SIZE, bool))
    right, wrong = (
        graded(Gathered(frames), DoubleQ(), network, target, b, weights) for b in (batch, through)
    )
    differs = np.abs(right[1] - wrong[1]) > 1e-4
    np.testing.assert_array_equal(differs, batch.terminated)


def test_time_limits_and_interventions_do_not_change_the_loss(symbolic):
    """Learning is off-policy on what was executed; a time limit still has a next value."""
    frames = jnp.asarray(symbolic.observations.frames, jnp.float32)
    network = MLP((frames.shape[1], 16, 7), key=jax.random.key(0))
    batch, weights = batch_of(symbolic, SIZE), jnp.ones(SIZE)
    other = eqx.tree_at(
        lambda b: (b.truncated, b.intervened, b.proposed, b.cost),
        batch,
        (~batch.truncated, ~batch.intervened, 6 - batch.proposed, batch.cost + 1),
    )
    left, right = (
        graded(Gathered(frames), DoubleQ(), network, network, b, weights) for b in (batch, other)
    )
    assert_same(left, right, rtol=0)


def test_a_lookup_reads_its_last_entry_beyond_the_table():
    lookup = Lookup(jnp.arange(6.0).reshape(3, 2))
    assert lookup(jnp.int32(1)).tolist() == [2.0, 3.0]
    assert lookup(jnp.int32(7)).tolist() == lookup(jnp.int32(2)).tolist() == [4.0, 5.0]
