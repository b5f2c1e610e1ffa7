"""How much SAC-Lagrangian values the entropy of its policy."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.equations import lagrangian

Scalar = Float[Array, ""]


class AbstractEntropy(eqx.Module):
    """How the entropy weight α comes about."""

    @abc.abstractmethod
    def weight(self, parameter: Scalar) -> Scalar:
        """α from its free parameter."""

    @abc.abstractmethod
    def loss(self, weight: Scalar, log_prob: Scalar, actions: int) -> Scalar:
        """The loss of α for one action of `actions` numbers."""


class AdaptiveEntropy(AbstractEntropy):
    """α keeps the policy's entropy at a target (nats per action dimension)."""

    target: float = eqx.field(default=-1.0, static=True)

    def weight(self, parameter: Scalar) -> Scalar:
        return lagrangian.positive(parameter)

    def loss(self, weight: Scalar, log_prob: Scalar, actions: int) -> Scalar:
        target = self.target * actions
        return lagrangian.entropy_weight_loss(weight, log_prob, target_entropy=target)


class FixedEntropy(AbstractEntropy):
    """α is a constant; guides have 1."""

    value: float = eqx.field(default=1.0, static=True)

    def weight(self, parameter: Scalar) -> Scalar:
        return jnp.full_like(parameter, self.value)

    def loss(self, weight: Scalar, log_prob: Scalar, actions: int) -> Scalar:
        return jnp.zeros_like(log_prob)
