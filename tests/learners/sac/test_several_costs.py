"""Several costs, each with a critic, a limit and a multiplier of its own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.learners.sac.constraint import policy_actions
from handrail.learners.sac.cost_floor import GuideCostFloor
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import CriticEnsemble
from handrail.learners.sac.state import SacParameters
from tests.learners.sac.harmless import settled

LIMITS = (("heat", 4.0), ("noise", 2.0))
SCALES = (0.5, 1.0)  # of these costs, on the scale of the smallest limit
BATCH = 16
KEYS = jax.random.split(jax.random.key(0), 5)
NOISE = jax.random.normal(KEYS[0], (2, BATCH, 2))
PROGRESS = jnp.zeros(())
OPTIONS = {"cost_limit": 2.0, "episode_length": 20, "constrained": policy_actions}


def batch_of(constraints, cost):
    """Transitions that differ in nothing but what they cost."""
    draw = jax.random.normal(KEYS[1], (BATCH, 8))
    action = jnp.tanh(draw[:, :2])

    def one(draw, action, cost, constraints):
        return Transition(
            observation=draw[2:5], proposed=action, action=action, reward=draw[5], cost=cost,
            next_observation=draw[5:8], terminated=draw[6] > 1, truncated=jnp.array(False),
            intervened=jnp.array(False), weight=jnp.ones(()), extras={}, constraints=constraints,
        )  # fmt: skip

    return jax.vmap(one)(draw, action, cost, constraints)


COSTS = jax.random.uniform(KEYS[2], (BATCH, 2))
HIGHEST = (COSTS * jnp.array([SCALES])).max(axis=1)  # what one limit for all would look at


def learner(constraints=LIMITS, **options):
    return SacLagrangian(constraints=constraints, **(OPTIONS | options))


@eqx.filter_jit
def gradients(learner, parameters, targets, batch):
    return jax.grad(learner.loss, has_aux=True)(parameters, targets, batch, PROGRESS, *NOISE)


def alone(ensemble, cost):
    """Both reward critics and that of one cost."""
    return CriticEnsemble(
        jax.tree.map(lambda leaf: leaf[jnp.array([0, 1, 2 + cost])], ensemble.members)
    )


def only(parameters, cost):
    critics = alone(parameters.critics, cost)
    return SacParameters(parameters.actor, critics, parameters.entropy, parameters.multiplier[cost])


def close(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(bool(jnp.allclose(*pair, rtol=1e-4, atol=1e-6)) for pair in pairs)


@pytest.fixture(scope="module")
def state():
    fresh = learner().init(3, 2, (8,), key=KEYS[3])
    return eqx.tree_at(lambda s: s.parameters.multiplier, fresh, jnp.array([0.3, -0.7]))


def foresight(*values):
    return GuideCostFloor(lambda observation, action: jnp.array(values))


@pytest.mark.parametrize("foreseen", [None, (0.2, 0.1)])
@pytest.mark.parametrize("cost", [0, 1])
def test_each_is_learnt_as_if_it_were_the_only_one(state, cost, foreseen):
    """Its critic and its multiplier; the other cost makes no difference to them."""
    both = {} if foreseen is None else {"cost_floor": foresight(*foreseen)}
    one = {} if foreseen is None else {"cost_floor": foresight(foreseen[cost])}
    together, metrics = gradients(
        learner(**both), state.parameters, state.targets, batch_of(COSTS, HIGHEST)
    )
    expected, said = gradients(
        learner((), **one), only(state.parameters, cost), alone(state.targets, cost),
        batch_of(None, COSTS[:, cost] * SCALES[cost]),
    )  # fmt: skip
    assert close(alone(together.critics, cost), expected.critics)
    assert close(together.multiplier[cost], expected.multiplier)
    for name in ("multiplier", "cost_value"):
        own = float(metrics[f"sac/{name}/{LIMITS[cost][0]}"])
        assert own == pytest.approx(float(said[f"sac/{name}"]), rel=1e-5)
    wrong, _ = gradients(
        learner((), **one), only(state.parameters, cost), alone(state.targets, cost),
        batch_of(None, HIGHEST),
    )  # fmt: skip
    assert not close(alone(together.critics, cost), wrong.critics)


def test_the_actor_pays_for_each(state):
    """The price of both costs is the sum of their prices: gradients add up."""

    def actor(learner, parameters, targets, batch):
        return gradients(learner, parameters, targets, batch)[0].actor

    both = actor(learner(), state.parameters, state.targets, batch_of(COSTS, HIGHEST))
    apart = [
        actor(
            learner(()), only(state.parameters, cost), alone(state.targets, cost),
            batch_of(None, COSTS[:, cost] * SCALES[cost]),
        )
        for cost in (0, 1)
    ]  # fmt: skip
    free = eqx.tree_at(lambda p: p.multiplier, only(state.parameters, 0), jnp.float32(-100.0))
    for_nothing = actor(
        learner((), damping_scale=0.0), free, alone(state.targets, 0), batch_of(None, HIGHEST)
    )
    summed = jax.tree.map(lambda a, b, c: a + b - c, *apart, for_nothing)
    assert close(both, summed)
    assert not close(both, apart[0])


def test_transitions_without_the_costs_are_refused(state):
    with pytest.raises(HandrailError, match="limits for the costs heat, noise, but transitions"):
        learner().update(state, batch_of(None, HIGHEST), PROGRESS, key=KEYS[4])


LIMIT = 0.125


def halves(actions):
    """Rewards are actions; each half of the steps has a cost of its own."""

    def one(action, first):
        price = ((1 + action[0]) / 2) ** 2
        return Transition(
            observation=jnp.ones(1), proposed=action, action=action, reward=action[0], cost=price,
            next_observation=jnp.ones(1), terminated=jnp.array(True), truncated=jnp.array(False),
            intervened=jnp.array(False), weight=jnp.ones(()), extras={},
            constraints=price * jnp.array([first, 1 - first]),
        )  # fmt: skip

    return jax.vmap(one)(actions, jnp.arange(len(actions)) % 2.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("constraints", "best"),
    [
        ((), 2 * LIMIT**0.5 - 1),
        ((("a", LIMIT), ("b", LIMIT / 4)), 2 * (2 * LIMIT / 4) ** 0.5 - 1),
    ],
)
def test_limits_of_their_own_allow_more_than_one_limit_for_all(constraints, best):
    """Each cost occurs in half of the steps: E[c] = x²/2 ≤ d with x = (1 + a)/2, not x² ≤ d."""
    smallest = min((limit for _, limit in constraints), default=LIMIT)
    action = settled(halves, cost_limit=smallest, constraints=constraints)
    assert float(action) == pytest.approx(best, abs=0.12)
