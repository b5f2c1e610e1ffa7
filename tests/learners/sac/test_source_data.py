"""What a student learns of a batch of the source beside one of the target."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.envs.transfer import SameView, View
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.cost_floor import NeverNegative
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import REWARD_CRITICS
from handrail.learners.sac.source_data import SourceData, SourceTransitions, without_rewards
from tests.learners.sac.harmless import settled

BATCH = 8
VIEW = View.rename({"near": "hazard"})
NOISE = jax.random.normal(jax.random.key(0), (2, BATCH, 2))
PROGRESS = jnp.zeros(())


def target_steps(key, n=BATCH) -> Transition:
    """Random steps of a target that shows a hazard and a goal."""

    def one(key):
        draw = jax.random.normal(key, (10,))
        action = jnp.tanh(draw[:2])
        return Transition(
            observation={"goal": draw[2:4], "hazard": draw[4:5]}, proposed=action, action=action,
            reward=draw[5], cost=jnp.abs(draw[6]),
            next_observation={"goal": draw[7:9], "hazard": draw[9:10]},
            terminated=draw[5] > 1, truncated=jnp.array(False),
            intervened=jnp.array(False), weight=jnp.ones(()), extras={},
        )  # fmt: skip

    return jax.vmap(one)(jax.random.split(key, n))


def source_steps(key, n) -> SourceTransitions:
    """Random steps of a source that shows what is near."""
    steps = without_rewards(target_steps(key, n))
    only = {"near": steps.observation["hazard"]}, {"near": steps.next_observation["hazard"]}
    return eqx.tree_at(lambda s: (s.observation, s.next_observation), steps, only)


def test_draws_are_steps_of_the_source_in_the_dress_of_the_target():
    data = SourceData(source_steps(jax.random.key(1), 500), VIEW.completed)
    batch = target_steps(jax.random.key(2), 4_000)
    drawn = data.draw(batch, key=jax.random.key(3))
    cost = np.asarray(data.steps.cost)
    order = np.argsort(cost)  # continuous numbers: a step is known by its cost
    where = order[np.searchsorted(cost[order], np.asarray(drawn.cost))]
    counts = np.bincount(where, minlength=500)
    assert counts.sum() == 4_000 and counts.max() < 30 and (counts > 0).mean() > 0.99
    for name in ("observation", "next_observation"):
        seen, own = getattr(drawn, name), getattr(batch, name)
        assert (seen["goal"] == own["goal"]).all()
        assert (seen["hazard"] == getattr(data.steps, name)["near"][where]).all()
    assert (drawn.action == data.steps.action[where]).all()
    assert (drawn.terminated == data.steps.terminated[where]).all()


def test_observed_alike_nothing_has_to_be_completed():
    steps = without_rewards(target_steps(jax.random.key(1), 1))
    data = SourceData(steps, SameView().completed)
    drawn = data.draw(target_steps(jax.random.key(2)), key=jax.random.key(9))
    assert (drawn.observation["goal"] == steps.observation["goal"]).all()


def setting(**options):
    learner = SacLagrangian(cost_floor=NeverNegative(), cost_critic="positive", **options)
    state = learner.init(3, 2, (8,), key=jax.random.key(4))
    # targets of their own: goals must come from them
    targets = learner.init(3, 2, (8,), key=jax.random.key(5)).targets
    batch = target_steps(jax.random.key(6))
    data = SourceData(source_steps(jax.random.key(7), 50), VIEW.completed)
    return learner, state.parameters, targets, batch, data.draw(batch, key=jax.random.key(8))


@pytest.mark.parametrize("least", [0.0, 3.0])
def test_the_loss_is_that_of_one_step_after_another(least):
    learner, parameters, targets, batch, source = setting(source_price=least)
    alone, _ = learner.loss(parameters, targets, batch, PROGRESS, *NOISE)
    both, _ = learner.loss(parameters, targets, batch, PROGRESS, *NOISE, source)
    soft = jax.nn.softplus
    alpha, beta = soft(parameters.entropy), soft(parameters.multiplier)
    assert 0 < beta < 3  # so that one case has the multiplier's price, the other the least one
    price = max(float(beta), least)
    own = [
        parameters.critics(jax.tree.map(lambda x, i=i: x[i], batch.observation), batch.action[i])[2]
        for i in range(BATCH)
    ]
    kappa = learner.damping_scale * max(0.0, float(learner.limit - jnp.mean(jnp.stack(own))))
    expected = 0.0
    for i in range(BATCH):
        now, after = (
            jax.tree.map(lambda x, i=i: x[i], x)
            for x in (source.observation, source.next_observation)
        )
        vectors = [jnp.concatenate([x["goal"], x["hazard"]]) for x in (now, after)]
        there = parameters.actor(vectors[1])
        following = jnp.tanh(there.mean + jnp.exp(there.log_std) * NOISE[1, i])
        later = (1 - source.terminated[i]) * targets(after, following)[2]
        goal = source.cost[i] + 0.99 * later
        expected += 0.5 * float(parameters.critics(now, source.action[i])[2] - goal) ** 2
        here = parameters.actor(vectors[0])
        pre_squash = here.mean + jnp.exp(here.log_std) * NOISE[0, i]
        values = parameters.critics(now, jnp.tanh(pre_squash))
        expected += float(
            alpha * here.log_prob(pre_squash) - values[:2].min() + (price - kappa) * values[2]
        )
    assert float(both - alone) == pytest.approx(expected / BATCH, rel=1e-4)


def test_the_source_says_nothing_of_rewards_and_limits():
    """Reward critics, entropy weight and multiplier learn as if there was no source."""
    learner, parameters, targets, batch, source = setting()
    gradient = jax.grad(learner.loss, has_aux=True)
    alone, _ = gradient(parameters, targets, batch, PROGRESS, *NOISE)
    both, metrics = gradient(parameters, targets, batch, PROGRESS, *NOISE, source)
    changed = jax.tree.map(lambda a, b: a != b, alone, both)
    for leaf in jax.tree.leaves(changed.critics):
        assert not leaf[:REWARD_CRITICS].any() and leaf[REWARD_CRITICS:].any()
    assert not changed.entropy and not changed.multiplier
    assert all(leaf.any() for leaf in jax.tree.leaves(changed.actor))
    assert np.isfinite(float(metrics["sac/actor_loss"]))


def test_a_multiplier_asleep_leaves_the_least_price_in_the_source():
    """And nothing in the target: the pull away from harm is that of the source alone."""

    def pull(price):
        learner, parameters, targets, batch, source = setting(source_price=price, damping_scale=0)
        asleep = eqx.tree_at(lambda p: p.multiplier, parameters, jnp.full((), -50.0))
        gradient = jax.grad(learner.loss, has_aux=True)
        of = (targets, batch, PROGRESS, *NOISE)
        alone, both = gradient(asleep, *of)[0].actor, gradient(asleep, *of, source)[0].actor
        return jax.tree.map(jnp.subtract, both, alone)

    free, priced, twice = (jax.tree.leaves(pull(price)) for price in (0.0, 0.7, 1.4))
    for nothing, some, more in zip(free, priced, twice, strict=True):
        assert np.allclose(more - nothing, 2 * (some - nothing), atol=1e-4)
    assert any(
        jnp.abs(some - nothing).max() > 1e-3 for nothing, some in zip(free, priced, strict=True)
    )


@pytest.mark.parametrize("price", [-0.1, float("nan"), float("inf")])
def test_a_price_is_a_number_of_at_least_zero(price):
    with pytest.raises(HandrailError, match="source_price is"):
        SacLagrangian(source_price=price)


def steps_of(actions, cost) -> Transition:
    """Steps that earn their action and end, in the only place there is."""

    def one(action, cost):
        return Transition(
            observation=jnp.ones(1), proposed=action, action=action, reward=action[0], cost=cost,
            next_observation=jnp.ones(1), terminated=jnp.array(True), truncated=jnp.array(False),
            intervened=jnp.array(False), weight=jnp.ones(()), extras={},
        )  # fmt: skip

    return jax.vmap(one)(actions, cost)


def guarded(actions) -> Transition:
    """Of a target where actions above zero, which earn most, are never let through."""
    return steps_of(-jnp.abs(actions), jnp.zeros(len(actions)))


def tried(batch) -> SourceTransitions:
    """Of a source where all was tried, and actions above zero cost 1."""
    way = jnp.where(jnp.arange(len(batch.action)) % 2, 1.0, -1.0)
    actions = batch.action * way[:, None]
    return without_rewards(steps_of(actions, jnp.where(actions[:, 0] > 0, 1.0, 0.0)))


@pytest.mark.slow
def test_the_source_teaches_harm_that_is_never_met():
    options = {"cost_limit": 0.05, "cost_floor": NeverNegative()}
    alone = settled(guarded, **options)
    taught = settled(guarded, source_of=tried, **options)
    assert alone > 0.2 and taught < 0.1


def test_several_costs_are_refused():
    data = SourceData(source_steps(jax.random.key(1), 5), VIEW.completed)
    learner = SacLagrangian(constraints=(("heat", 1.0), ("noise", 1.0)), cost_limit=1.0)
    with pytest.raises(HandrailError, match="one cost, but the learner has several"):
        SacAgent(learner=learner, source=data)
