"""Deep Q-learning with a target network: one update, with no replay and no environment."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.types import Transition
from handrail.equations.td import bootstrap_discount, td_error, weighted_squared_loss
from handrail.learners.q.operators import AbstractOperator, DoubleQ
from handrail.learners.q.values import AbstractValues


class TDLoss(eqx.Module):
    """The temporal-difference loss of a batch, as a function of prepared values.

    Both observations of a transition are read from the same prepared values (see
    `handrail.learners.q.values`), and gradients are taken with respect to these; the caller
    pulls them back to the parameters.
    """

    values: AbstractValues
    operator: AbstractOperator = DoubleQ()
    discount: float = eqx.field(default=0.99, static=True)

    def __call__(
        self,
        policy_snapshot: Any,
        target: Any,
        batch: Transition,
        weights: Float[Array, " batch"],
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, " batch"]]:
        """Mean over the batch of weight · error², and the errors.

        `target` is what `values.prepare` made of the target network. Costs do not enter:
        the value of a state comes from rewards alone (arXiv:2503.10318).
        """
        keys = jax.random.split(key, batch.reward.shape[0])
        errors = jax.vmap(self._error, in_axes=(None, None, 0, 0))(
            policy_snapshot, target, batch, keys
        )
        return jnp.mean(jax.vmap(weighted_squared_loss)(errors, weights)), errors

    def _error(self, policy_snapshot, target, transition, key):
        now, online_next, target_next, target_now = jax.random.split(key, 4)
        frozen = jax.lax.stop_gradient(policy_snapshot)
        goal = self.operator(
            transition.reward,
            bootstrap_discount(self.discount, transition.terminated),
            transition.action,
            online_next=self.values(frozen, transition.next_observation, key=online_next),
            target_next=self.values(target, transition.next_observation, key=target_next),
            target_now=self.values(target, transition.observation, key=target_now),
        )
        return td_error(
            self.values(policy_snapshot, transition.observation, key=now), transition.action, goal
        )

    def gradient(
        self,
        policy_snapshot: Any,
        target: Any,
        batch: Transition,
        weights: Float[Array, " batch"],
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, " batch"], Any]:
        """Loss, errors and the gradient with respect to the prepared values."""
        graded = eqx.filter_value_and_grad(self.__call__, has_aux=True)
        (loss, errors), gradient = graded(policy_snapshot, target, batch, weights, key=key)
        return loss, errors, gradient
