"""Fitted Q evaluation: what an action costs if a given policy goes on from it, from recorded steps.

Le, Voloshin & Yue 2019 (arXiv:1903.08738), with a slowly moving target network in place of whole
regressions. The policy is never asked: its action in every next observation has been recorded.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from handrail.core.arguments import Count, Discount, Positive, Share
from handrail.core.rng import stream
from handrail.learners.sac.adam import Adam
from handrail.learners.sac.networks import REWARD_CRITICS, CriticEnsemble

HARMLESS = -3.0
"""What a network gives before it has learnt anything: next to no cost, once it is positive."""
FLAT = 1e-6
"""Inputs that vary less are constants, and are not scaled."""


class PolicySteps(eqx.Module):
    """Steps, a row each, of which anybody may have chosen the actions, and what came of them."""

    observations: Float[Any, "steps n"]
    actions: Float[Any, "steps a"]
    costs: Float[Any, "steps costs"]
    """Of the step, and discounted of those after it as long as the policy acted (`continued`)."""
    discounts: Float[Any, " steps"]
    """Of what comes then; 0 where the task has ended."""
    next_observations: Float[Any, "steps n"]
    """The observation then."""
    next_actions: Float[Any, "steps a"]
    """What the policy that is evaluated does there."""

    def __len__(self) -> int:
        return len(self.costs)

    def __getitem__(self, rows: Any) -> "PolicySteps":
        return jax.tree.map(lambda leaf: leaf[rows], self)


MOST_STEPS = 100
"""Steps after its own whose costs a row counts, at most."""


def continued(
    steps: PolicySteps, on_policy: Bool[np.ndarray, " steps"], ended: Bool[np.ndarray, " steps"]
) -> PolicySteps:
    """Single steps in their order, each with the costs that followed while the policy acted.

    So what is far ahead is learnt from what happened, and not from other estimates: a sum over
    actions of the policy itself needs no correction. `on_policy` says whose action was the
    policy's, `ended` after which steps an episode ended, by the task or by a time limit.
    """
    costs = np.array(steps.costs, np.float64)
    discounts = np.array(steps.discounts, np.float64)
    last, lengths = np.arange(len(steps)), np.ones(len(steps), int)
    for row in reversed(range(len(steps) - 1)):
        if ended[row] or not on_policy[row + 1] or lengths[row + 1] == MOST_STEPS:
            continue
        costs[row] += discounts[row] * costs[row + 1]
        discounts[row] *= discounts[row + 1]
        last[row], lengths[row] = last[row + 1], lengths[row + 1] + 1
    return PolicySteps(
        steps.observations, steps.actions, costs.astype(np.float32), discounts.astype(np.float32),
        steps.next_observations[last], steps.next_actions[last],
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class FittedQSettings:
    """How a cost critic is fitted."""

    hidden: tuple[Count, ...] = (64, 64)
    """Widths of its hidden layers."""
    discount: Discount = 0.99
    """γ per step."""
    updates: Count = 20_000
    """Steps of Adam."""
    batch: Count = 256
    """Recorded steps in each."""
    learning_rate: Positive = 1e-3
    """Adam's at the beginning; it falls to a tenth along a line."""
    smoothing: Share = 0.95
    """Share of the target network that an update keeps: errors of the first values die out in about
    1 / (1 − γ) / (1 − smoothing) updates."""


def fit(steps: PolicySteps, settings: FittedQSettings, *, key: Key[Array, ""]) -> CriticEnsemble:
    """The discounted sum of each cost from an action on, as an ensemble of positive cost critics.

    Inputs are brought to one scale by the steps' means and deviations, which end up in the first
    layer: the critics read observations as they are. The ensemble's critics of reward have learnt
    nothing.
    """
    inputs = np.concatenate([steps.observations, steps.actions], axis=1).astype(np.float64)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    unit = np.where(deviation > FLAT, deviation, 1.0)
    size = steps.observations.shape[1]

    def scaled(observations: Any, actions: Any) -> tuple[Any, Any]:
        given = (np.concatenate([observations, actions], axis=1) - mean) / unit
        first, second = np.split(given.astype(np.float32), [size], axis=1)
        return first, second

    observations, actions = scaled(steps.observations, steps.actions)
    after, then = scaled(steps.next_observations, steps.next_actions)
    own = PolicySteps(
        observations, actions, np.asarray(steps.costs, np.float32),
        np.asarray(steps.discounts, np.float32), after, then,
    )  # fmt: skip
    fresh = CriticEnsemble.init(
        size, inputs.shape[1] - size, settings.hidden, costs=steps.costs.shape[1],
        cost_critic="positive", key=stream(key, "critics"),
    )  # fmt: skip
    last = fresh.members.layers[-1].bias
    fresh = eqx.tree_at(lambda ensemble: ensemble.members.layers[-1].bias, fresh, last + HARMLESS)
    fitted = _fitted(jax.tree.map(jnp.asarray, own), fresh, settings, stream(key, "batches"))
    return _unscaled(fitted, mean.astype(np.float32), unit.astype(np.float32))


def bellman_error(critics: CriticEnsemble, steps: PolicySteps) -> float:
    """The root of the mean square of Q(s, a) − c − γⁿ Q(s′, π(s′)), over steps and costs.

    Part of it is noise, where costs or steps are random.
    """
    values, targets = _backed_up(critics, critics, jax.tree.map(jnp.asarray, steps))
    return float(jnp.sqrt(jnp.mean((values - targets) ** 2)))


def _backed_up(critics: CriticEnsemble, target: CriticEnsemble, steps: PolicySteps):
    """Values of the steps' actions, and what they should be by the target; a row each cost."""
    values = critics.fitted(steps.observations, steps.actions)[REWARD_CRITICS:]
    later = target.batch(steps.next_observations, steps.next_actions)[REWARD_CRITICS:]
    return values, jax.lax.stop_gradient(steps.costs.T + steps.discounts[None] * later)


@eqx.filter_jit
def _fitted(
    steps: PolicySteps, fresh: CriticEnsemble, settings: FittedQSettings, key: Key[Array, ""]
) -> CriticEnsemble:
    adam, count = Adam(), steps.costs.shape[0]
    arrays, static = eqx.partition(fresh, eqx.is_array)

    def loss(arrays, target, batch):
        critics, target = eqx.combine(arrays, static), eqx.combine(target, static)
        values, wanted = _backed_up(critics, target, batch)
        return jnp.mean(jnp.sum((values - wanted) ** 2, axis=0))

    def update(carry, index):
        arrays, target, moments = carry
        rows = jax.random.randint(jax.random.fold_in(key, index), (settings.batch,), 0, count)
        batch = jax.tree.map(lambda leaf: leaf[rows], steps)
        direction, moments = adam.direction(jax.grad(loss)(arrays, target, batch), moments)
        rate = settings.learning_rate * (1 - 0.9 * index / settings.updates)
        arrays = jax.tree.map(lambda old, step: old - rate * step, arrays, direction)
        kept = settings.smoothing
        target = jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, target, arrays)
        return (arrays, target, moments), None

    begun = arrays, arrays, adam.init(arrays)
    (arrays, _, _), _ = jax.lax.scan(update, begun, jnp.arange(settings.updates))
    return eqx.combine(arrays, static)


def _unscaled(critics: CriticEnsemble, mean: np.ndarray, unit: np.ndarray) -> CriticEnsemble:
    """The same function of inputs as they are."""
    first = critics.members.layers[0]
    weight = first.weight / unit[None, None]
    bias = first.bias - jnp.einsum("coi,i->co", weight, mean)
    return eqx.tree_at(
        lambda ensemble: (ensemble.members.layers[0].weight, ensemble.members.layers[0].bias),
        critics, (weight, bias),
    )  # fmt: skip
