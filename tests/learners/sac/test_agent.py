"""The agent: when it explores, what it stores, when it learns, and what it refuses."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Context, Decision, Transition
from handrail.equations.distillation import authors_distillation
from handrail.equations.importance import exact_point
from handrail.learners.base import Clock
from handrail.learners.sac.agent import SacAgent, executed_pre_squash
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import (
    CriticEnsemble,
    OnVectors,
    Sampled,
    observation_vector,
)
from handrail.networks.gaussian import GaussianPolicy
from handrail.replay.ring import Ring
from handrail.replay.split import Split

KEY = jax.random.key(0)
SOURCE = OnVectors(GaussianPolicy(2, 2, (8,), key=KEY), lambda observation: observation["walls"])
OBSERVATION = {"goal": jnp.array([0.3]), "walls": jnp.array([0.1, -0.2])}


def student(**changes):
    settings = {
        "learner": SacLagrangian(distillation=authors_distillation()),
        "replay": Split(200), "guide": SOURCE, "hidden": (8, 8), "batch": 8, "train_every": 10,
        "updates": 5, "learning_starts": 20,
    }  # fmt: skip
    return SacAgent(**settings | changes)


def guide(**changes):
    learner = SacLagrangian(entropy=FixedEntropy())
    return student(learner=learner, guide=None, replay=Ring(200), uniform_steps=50, **changes)


def clock(step):
    return Clock(jnp.int32(step), jnp.float32(step / 1000))


def transition(observation=OBSERVATION, extras=None, intervened=False):
    return Transition(
        observation=observation, proposed=jnp.zeros(2), action=jnp.array([0.5, -0.5]),
        reward=jnp.float32(0.1), cost=jnp.float32(1), next_observation=observation,
        terminated=jnp.array(False), truncated=jnp.array(True),
        intervened=jnp.array(intervened), weight=jnp.ones(()), extras=extras or {},
    )  # fmt: skip


def filled(agent, count, share=0.5):
    """A state after `count` steps, of which the guide took the given share."""
    state = agent.init(transition(), key=KEY)
    observe = eqx.filter_jit(agent.observe)
    extras = {"guide_log_prob": jnp.float32(-1)} if agent.guide is not None else {}
    for step in range(count):
        state = observe(
            state, transition(extras=extras, intervened=step < share * count), clock(step)
        )
    return state


def test_parts_are_joined_in_the_order_of_their_names():
    assert np.allclose(observation_vector(OBSERVATION), [0.3, 0.1, -0.2])
    assert observation_vector(jnp.ones((2, 2))).shape == (4,)


def test_critics_answer_one_observation_as_a_batch():
    critics = CriticEnsemble.init(3, 2, (8, 8), key=KEY)
    one = critics(OBSERVATION, jnp.array([0.1, 0.2]))
    batch = critics.batch(jnp.array([[0.3, 0.1, -0.2]] * 4), jnp.array([[0.1, 0.2]] * 4))
    np.testing.assert_allclose(batch, np.tile(one[:, None], 4), rtol=1e-6)
    assert critics.cost(OBSERVATION, jnp.array([0.1, 0.2])) == one[2]
    assert len(np.unique(one)) == 3  # three networks, not one three times


def test_a_guide_begins_with_uniform_actions():
    agent = guide()
    policy_snapshot = agent.prepare(agent.init(transition(), key=KEY), key=KEY)
    propose = jax.vmap(
        lambda key, step: agent.propose(
            policy_snapshot, OBSERVATION, clock(0) if step else clock(50),
                                        key=key),
        in_axes=(0, None),
    )  # fmt: skip
    keys = jax.random.split(KEY, 4000)
    early, late = propose(keys, True), propose(keys, False)
    counts, _ = np.histogram(early.action, bins=8, range=(-1, 1))
    assert counts.min() > 900 and np.abs(early.action).max() < 1
    for proposal in (early, late):
        np.testing.assert_allclose(
            np.tanh(proposal.extras["pre_squash"]), proposal.action, atol=1e-5
        )
    assert np.histogram(late.action, bins=8, range=(-1, 1))[0].min() < 900


@pytest.mark.parametrize("intervened", [False, True])
def test_weights_count_only_where_the_guide_acted(intervened):
    agent = student(point=exact_point)
    policy_snapshot = agent.prepare(agent.init(transition(), key=KEY), key=KEY)
    action, extras = Sampled(SOURCE)(OBSERVATION, jax.random.key(3))
    zero = jnp.int32(0)
    context = Context(
        OBSERVATION, action, extras, zero, zero, zero, jnp.zeros(()), jnp.zeros(())
    )  # fmt: skip
    decision = Decision(action, jnp.array(intervened), {}, extras)
    weight, kept = agent.annotate(policy_snapshot, context, decision)
    u = extras["pre_squash"]
    student_density = policy_snapshot(OBSERVATION).log_prob(u)
    assert kept["guide_log_prob"] == SOURCE(OBSERVATION).log_prob(u)
    expected = jnp.clip(jnp.exp(student_density - kept["guide_log_prob"]), 0.1, 2)
    assert weight == pytest.approx(float(expected) if intervened else 1.0, rel=1e-5)
    assert weight != 1 or not intervened


def test_a_substitute_without_pre_squash_value():
    """The proposal's value must not be taken for that of another action."""
    action, proposed = jnp.tanh(jnp.array([0.5, -2.0])), jnp.array([3.0, 0.1])

    def decide(action, u):
        return Decision(action, jnp.array(True), {}, {"pre_squash": u})

    u = executed_pre_squash(decide(action, proposed))
    np.testing.assert_allclose(u, [0.5, -2.0], rtol=1e-4)
    own = jnp.array([12.0, -2.0])  # saturated: only the stored value knows
    assert np.array_equal(executed_pre_squash(decide(jnp.tanh(own), own)), own)
    assert np.isfinite(executed_pre_squash(decide(jnp.array([1.0, -1.0]), proposed))).all()


def test_the_state_can_be_donated():
    """No array is in the state twice, or a loop could not update its replay in place."""
    arrays = jax.tree.leaves(student().init(transition(), key=KEY))
    assert len({array.unsafe_buffer_pointer() for array in arrays}) == len(arrays)


def test_learns_in_rounds_and_repeats_itself():
    agent = student()
    learn = eqx.filter_jit(agent.learn)
    state = filled(agent, 40)
    policy_snapshot = agent.prepare(state, key=KEY)
    after, metrics = learn(state, policy_snapshot, clock(40), key=KEY)
    again, _ = learn(state, policy_snapshot, clock(40), key=KEY)
    other, _ = learn(state, policy_snapshot, clock(50), key=KEY)
    assert set(metrics) == set(agent.metrics)
    assert metrics["sac/updates"] == 5 and metrics["sac/finite"] == 1
    assert after.learner.adam.count == 5
    weights = [s.learner.parameters.actor.mean.weight for s in (state, after, again, other)]
    assert not np.array_equal(weights[0], weights[1])
    assert np.array_equal(weights[1], weights[2])
    assert not np.array_equal(weights[1], weights[3])


def test_waits_until_both_have_acted():
    """A student that the guide never replaced does not learn: its batches would be one-sided."""
    agent = student()
    state = filled(agent, 40, share=0.1)
    after, metrics = eqx.filter_jit(agent.learn)(state, None, clock(40), key=KEY)
    assert metrics["sac/updates"] == 0 and metrics["sac/finite"] == 1
    assert eqx.tree_equal(after, state)


@pytest.mark.parametrize(("stored", "enough"), [(8, False), (9, True)])
def test_one_memory_is_ready_beyond_a_batch(stored, enough):
    agent = guide()
    assert agent.replay.ready(filled(agent, stored).replay, 8) == enough


def test_split_draws_from_both_in_their_places():
    replay = Split(20)
    items = [transition(intervened=n % 3 == 0) for n in range(30)]
    state = replay.init(items[0])
    for item in items:
        state = replay.add(state, item)
    assert replay.size(state) == 20  # the student's oldest ten gave way
    sample = replay.sample(state, 8, key=KEY)
    assert sample.items.intervened.tolist() == [False] * 6 + [True] * 2
    assert np.all((sample.indices >= 10) == sample.items.intervened)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: student(guide=None), "guide"),
        (lambda: student(ratio_low=0.0), "importance weight"),
        (lambda: Split(1), "at least 2"),
        (lambda: Split(10, student_share=1.0), "ring"),
        (
            lambda: student().init(dataclasses.replace(transition(), action=jnp.int32(3)), key=KEY),
            "discrete",
        ),
    ],
)
def test_nonsense_is_refused(make, word):
    with pytest.raises(HandrailError, match=word):
        make()
