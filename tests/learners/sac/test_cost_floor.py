"""What is known of costs before anything is learnt, and whose costs the multiplier looks at."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.types import Transition
from handrail.learners.sac.constraint import CostSlack, policy_actions, replay_actions, whole_cost
from handrail.learners.sac.cost_floor import GuideCostFloor, NeverNegative, NoFloor
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from tests.learners.sac.harmless import settled

LIMIT = 0.25


def foreseen(observation, action):
    """The price of a dangerous action, as a guide has learnt it elsewhere."""
    return ((1 + action[:1]) / 2) ** 2


def transitions(actions, *, cost=0.0, intervened=False, terminated=True):
    """Steps that earn the action and cost the same whatever was done: harm is never met."""

    def one(action):
        return Transition(
            observation=jnp.ones(1), proposed=action, action=action, reward=action[0],
            cost=jnp.float32(cost), next_observation=jnp.ones(1),
            terminated=jnp.array(terminated), truncated=jnp.array(False),
            intervened=jnp.array(intervened), weight=jnp.ones(()), extras={},
        )  # fmt: skip

    return jax.vmap(one)(actions)


@pytest.mark.parametrize(
    ("floor", "critic_reduction"),
    [
        (NoFloor(), [-3.0, 0.1, 2.0]),
        (NeverNegative(), [0.0, 0.1, 2.0]),
        (GuideCostFloor(foreseen), [0.25, 0.25, 2.0]),
        (GuideCostFloor(lambda observation, action: jnp.array([-7.0])), [0.0, 0.1, 2.0]),
    ],
)
def test_a_critic_is_held_up_to_the_floor(floor, critic_reduction):
    values = jnp.array([-3.0, 0.1, 2.0])
    seen = jax.vmap(lambda value: floor(value[None], jnp.ones(1), jnp.zeros(1)))(values)
    assert seen[:, 0].tolist() == pytest.approx(critic_reduction)


@pytest.mark.parametrize(
    ("floor", "goal"),
    [(NoFloor(), 1 + 0.99 * -5.0), (NeverNegative(), 1.0), (GuideCostFloor(foreseen), None)],
)
def test_targets_bootstrap_from_what_is_believed(floor, goal):
    """Critics that say −5 everywhere, and a cost of 1 in every step."""
    learner = SacLagrangian(cost_floor=floor, damping_scale=0.0)
    state = learner.init(1, 1, (4,), key=jax.random.key(0))
    says = jax.tree.map(jnp.zeros_like, state.targets)
    biases = says.members.layers[-1].bias
    says = eqx.tree_at(lambda c: c.members.layers[-1].bias, says, jnp.full_like(biases, -5.0))
    parameters = eqx.tree_at(lambda p: p.critics, state.parameters, says)
    batch = transitions(jnp.zeros((8, 1)), cost=1.0, terminated=False)
    noise = jax.random.normal(jax.random.key(1), (8, 1))
    _, metrics = learner.loss(parameters, says, batch, jnp.zeros(()), noise, noise)
    error = jnp.sqrt(2 * metrics["sac/cost_critic_loss"])  # of a critic that says −5
    if goal is not None:
        assert float(error) == pytest.approx(goal + 5)
    else:  # between what the guide foresees of the best and of the worst action
        assert 6.0 < float(error) < 6.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("floor", "best"), [(NeverNegative(), 1.0), (GuideCostFloor(foreseen), 2 * LIMIT**0.5 - 1)]
)
def test_foresight_teaches_what_is_never_tried(floor, best):
    """Reward a, cost unseen: the best action at a foreseen cost of the limit is 2√d − 1."""
    action = settled(transitions, cost_limit=LIMIT, cost_floor=floor)
    assert float(action) == pytest.approx(best, abs=0.12)


@pytest.mark.parametrize(
    ("constrained", "rises"), [(replay_actions, False), (policy_actions, True)]
)
def test_a_guide_that_wanders_safely_does_not_reassure_the_multiplier(constrained, rises):
    """A quarter of the batch is the student's, whose actions are foreseen to cost 0.25 and more."""
    learner = SacLagrangian(
        cost_limit=0.1, episode_length=1, cost_floor=GuideCostFloor(lambda o, a: jnp.array([0.3])),
        constrained=constrained, damping_scale=0.0,
    )  # fmt: skip
    state = learner.init(1, 1, (4,), key=jax.random.key(0))
    zeros = jax.tree.map(jnp.zeros_like, state.parameters.critics)
    state = eqx.tree_at(lambda s: s.parameters.critics, state, zeros)
    steps = [transitions(jnp.zeros((n, 1)), intervened=who) for n, who in ((24, True), (8, False))]
    batch = jax.tree.map(lambda *x: jnp.concatenate(x), *steps)
    update = eqx.filter_jit(learner.update)
    after, _ = update(state, batch, jnp.zeros(()), key=jax.random.key(2))
    assert bool(after.parameters.multiplier > state.parameters.multiplier) is rises


def test_what_counts_is_what_was_done_or_what_would_be_done_now():
    stored, present = jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 5.0, 6.0])
    assert replay_actions(stored, present).tolist() == [1.0, 2.0, 3.0]
    assert policy_actions(stored, present).tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("actor_costs", "pays"), [(whole_cost, True), (CostSlack(0.2), True), (CostSlack(10.0), False)]
)
def test_the_actor_pays_beyond_the_tolerance_only(actor_costs, pays):
    """With equal rewards everywhere, only costs that are charged give the actor a direction."""
    learner = SacLagrangian(
        entropy=FixedEntropy(0.0), damping_scale=0.0, actor_costs=actor_costs,
        cost_floor=GuideCostFloor(lambda o, a: 1.0 + a[:1]),
    )  # fmt: skip
    state = learner.init(1, 1, (4,), key=jax.random.key(0))
    zeros = jax.tree.map(jnp.zeros_like, state.parameters.critics)
    parameters = eqx.tree_at(lambda p: p.critics, state.parameters, zeros)
    noise = jnp.zeros((8, 1))
    gradients, _ = jax.grad(learner.loss, has_aux=True)(
        parameters, zeros, transitions(jnp.zeros((8, 1))), jnp.zeros(()), noise, noise
    )
    moved = any(bool(jnp.any(leaf)) for leaf in jax.tree.leaves(gradients.actor))
    assert moved is pays


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=8), st.floats(0, 50, width=32))
def test_what_is_charged_is_the_excess(costs, cost_slack):
    actor_costs = CostSlack(cost_slack)(jnp.array(costs, jnp.float32))
    assert actor_costs.tolist() == pytest.approx([max(c - cost_slack, 0) for c in costs], abs=1e-4)
    assert CostSlack(0.0)(jnp.array(costs)).tolist() == whole_cost(jnp.array(costs)).tolist()
