"""Deep Q-learning with a target network: one update, with no replay and no environment."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.types import Transition
from handrail.equations.action_masks import allowed_values
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
        now, online_next, target_next, target_now = jax.vmap(
            lambda key: jax.random.split(key, 4), out_axes=1
        )(keys)
        frozen, values = jax.lax.stop_gradient(policy_snapshot), self.values.batch
        errors = jax.vmap(self._error)(
            batch.reward,
            batch.terminated,
            batch.action,
            batch.allowed,
            batch.next_allowed,
            values(policy_snapshot, batch.observation, now),
            values(frozen, batch.next_observation, online_next),
            values(target, batch.next_observation, target_next),
            values(target, batch.observation, target_now),
        )
        return jnp.mean(jax.vmap(weighted_squared_loss)(errors, weights)), errors

    def _error(
        self, reward, terminated, action, allowed, next_allowed,
        now, online_next, target_next, target_now,
    ):  # fmt: skip
        discount = bootstrap_discount(self.discount, terminated)
        goal = self.operator(
            reward, discount, action,
            online_next=allowed_values(online_next, next_allowed),
            target_next=allowed_values(target_next, next_allowed),
            target_now=allowed_values(target_now, allowed),
        )  # fmt: skip
        return td_error(now, action, goal)

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
