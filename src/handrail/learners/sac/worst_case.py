"""Critics of the variance of costs, with which SAC-Lagrangian looks at the worst outcomes."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.equations.worst_case import cvar, cvar_factor, variance_loss, variance_target
from handrail.learners.sac.networks import (
    REWARD_CRITICS,
    CriticEnsemble,
    acted_on,
    observation_vector,
)
from handrail.networks.gaussian import Inputs
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.inputs import ScaledInputs
from handrail.networks.mlp import MLP

Batch = Float[Array, "costs batch"]
Critics = TypeVar("Critics")  # a tree of arrays, or nothing


class VarianceCritics(eqx.Module):
    """One network a cost; the variance of its discounted sum is the softplus of what it gives."""

    members: MLP
    inputs: ScaledInputs | None = None

    @staticmethod
    def init(
        observation: int,
        action: int,
        hidden: tuple[int, ...],
        *,
        costs: int,
        inputs: Inputs,
        key: Key[Array, ""],
    ) -> "VarianceCritics":
        """Fresh critics for vectors of these sizes. Raises `HandrailError` for other inputs."""
        if inputs is not None and not isinstance(inputs, ScaledInputs):
            raise HandrailError(
                "risk_level is below 1, but critics of the variance of costs read plain numbers, "
                "neither images nor normalised observations: set learning.risk_level to 1"
            )
        sizes = (observation + action, *hidden, 1)
        keys = jax.random.split(key, costs)
        members = eqx.filter_vmap(lambda k: MLP(sizes, init=glorot_uniform, key=k))(keys)
        return VarianceCritics(members, inputs)

    def batch(
        self, observations: Float[Array, "batch n"], actions: Float[Array, "batch a"]
    ) -> Batch:
        """The variances of a batch, one row a cost."""
        read = observations if self.inputs is None else jax.vmap(self.inputs)(observations)
        given = jnp.concatenate([read, actions], axis=1)
        outputs = eqx.filter_vmap(lambda critic: jax.vmap(critic)(given)[:, 0])(self.members)
        return jax.nn.softplus(outputs)

    def worst(
        self,
        expected: Batch,
        observations: Float[Array, "batch n"],
        actions: Float[Array, "batch a"],
        *,
        level: float,
    ) -> Batch:
        """What the actions cost in the worst outcomes, from what they cost on average."""
        return cvar(expected, self.batch(observations, actions), factor=cvar_factor(level))


def variance_losses(
    variances: Batch,
    costs: Batch,
    values: Batch,
    next_values: Batch,
    next_variances: Batch,
    *,
    discount: float,
) -> Float[Array, ""]:
    """The critics' loss in a batch, summed over costs; `variances` alone has a gradient."""
    goals = variance_target(costs, values, next_values, next_variances, discount=discount)
    losses = variance_loss(variances, jax.lax.stop_gradient(goals))
    return jnp.sum(losses.mean(axis=1))


def worst_costs(
    parameters: Any,
    targets: CriticEnsemble,
    variance_targets: VarianceCritics | None,
    batch: Transition,
    next_noise: Float[Array, "batch a"],
    expected: Batch,
    *,
    costs: Batch,
    discount: float,
    level: float,
) -> tuple[Batch, Float[Array, ""] | float]:
    """What stored actions cost in the worst outcomes, and the loss of their variance.

    `expected` is the mean that the cost critics say, `costs` what the steps cost, `parameters` the
    learner's (`SacParameters`), `level` its risk level. Without critics of the variance it is the
    mean, and there is no loss.
    """
    if parameters.variance is None or variance_targets is None:
        return expected, 0.0
    vectors = jax.vmap(observation_vector)
    observations, following = vectors(batch.observation), vectors(batch.next_observation)
    actions, _ = acted_on(jax.lax.stop_gradient(parameters.actor), following, next_noise)
    variances = parameters.variance.batch(observations, batch.action)
    next_values = targets.agreed(targets.batch(following, actions)[REWARD_CRITICS:])
    next_variances = variance_targets.batch(following, actions)
    loss = variance_losses(
        variances, costs, expected, next_values, next_variances, discount=discount
    )
    return cvar(expected, jax.lax.stop_gradient(variances), factor=cvar_factor(level)), loss
