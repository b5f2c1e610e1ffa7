"""The contract of what learns a risk, and what it says of an action."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.types import Observation, Transition
from handrail.learners.sac.networks import OnVectors, observation_vector
from handrail.networks.gaussian import SquashedGaussian
from handrail.networks.mlp import MLP

RISK_METRICS = (
    "risk/critic_loss",
    "risk/value",  # of the stored actions, from 0 to 1
)


class AbstractRisk(eqx.Module):
    """Learns from executed actions how risky an action is if the task policy goes on."""

    @abc.abstractmethod
    def init(self, observation: int, action: int, *, key: Key[Array, ""]) -> Any:
        """The state before the first update, for vectors of these sizes."""

    @abc.abstractmethod
    def update(
        self, state: Any, batch: Transition, policy: OnVectors, *, key: Key[Array, ""]
    ) -> tuple[Any, dict[str, Float[Array, ""]]]:
        """One update from executed transitions, and its metrics; `policy` is the task's."""

    @abc.abstractmethod
    def risk(
        self, state: Any, observation: Float[Array, " n"], action: Float[Array, " a"]
    ) -> Float[Array, ""]:
        """From 0 to 1: the discounted probability of harm after this action."""

    @abc.abstractmethod
    def recover(
        self, state: Any, observation: Float[Array, " n"], *, key: Key[Array, ""]
    ) -> Float[Array, " a"]:
        """The action of a recovery policy, within [−1, 1]; learners without one have none."""


class RiskSnapshot(eqx.Module):
    """What a block of steps acts with, and what its interventions ask."""

    acting: Any  # the task's own snapshot
    learner: AbstractRisk
    state: Any

    def __call__(self, observation: Observation) -> SquashedGaussian:
        """The task policy's distribution before the squash."""
        return self.acting(observation)

    def cost(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """What the task learner's cost critics expect of an action."""
        return self.acting.cost(observation, action)

    def risk(self, observation: Observation, action: Float[Array, " a"]) -> Float[Array, ""]:
        """How risky an action is."""
        return self.learner.risk(self.state, observation_vector(observation), action)

    def recover(self, observation: Observation, *, key: Key[Array, ""]) -> Float[Array, " a"]:
        """What the recovery policy does."""
        return self.learner.recover(self.state, observation_vector(observation), key=key)


def values_of(
    critics: MLP, observations: Float[Array, "batch n"], actions: Float[Array, "batch a"]
) -> Float[Array, "critics batch"]:
    """What an ensemble of critics gives for a batch, one row a critic."""
    given = jnp.concatenate([observations, actions], axis=1)
    return eqx.filter_vmap(lambda critic: jax.vmap(critic)(given)[:, 0])(critics)
