"""Two sigmoid critics of risk and a policy that looks for the least of it (arXiv:2010.15920).

The update is that of Recovery RL's code: both critics by squared errors, then the recovery policy
by the critics just updated, then the targets. Differs from it: an executed action of the recovery
policy is clipped to the action space.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.types import Transition
from handrail.equations.risk import risk_target
from handrail.learners.risk.base import AbstractRisk, values_of
from handrail.learners.sac.networks import OnVectors, acted_on, observation_vector
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.mlp import MLP

TWINS = 2
LOG_STD = math.log(0.1)
"""Of a recovery policy before it has learnt."""


class RecoveryPolicy(eqx.Module):
    """A Gaussian around `scale` · tanh(mean), whose deviation is the same in every state."""

    mean: MLP
    log_std: Float[Array, " action"]
    scale: float = eqx.field(default=1.0, static=True)

    def __call__(
        self, observation: Float[Array, " n"], noise: Float[Array, " a"]
    ) -> Float[Array, " a"]:
        """An action, from standard normal numbers; it may leave the action space."""
        return self.scale * jnp.tanh(self.mean(observation)) + jnp.exp(self.log_std) * noise


class RecoveryState(eqx.Module):
    """Critics, their targets, the recovery policy, and the moments of both optimisers."""

    critics: MLP  # every array has a leading axis of two critics
    targets: MLP
    policy: RecoveryPolicy
    critic_moments: PyTree
    policy_moments: PyTree


class RecoveryRisk(AbstractRisk):
    """The update and its settings.

    Attributes:
        hidden: widths of the hidden layers.
        discount: γ of the risk, per step (the paper: 0.5 to 0.85).
        learning_rate: of Adam.
        smoothing: share of the old targets that an update keeps.
    """

    hidden: tuple[int, ...] = eqx.field(default=(256, 256), static=True)
    discount: float = eqx.field(default=0.8, static=True)
    learning_rate: float = eqx.field(default=3e-4, static=True)
    smoothing: float = eqx.field(default=0.9998, static=True)

    def init(self, observation: int, action: int, *, key: Key[Array, ""]) -> RecoveryState:
        sizes, (critic_key, policy_key) = (*self.hidden,), jax.random.split(key)
        critics = eqx.filter_vmap(
            lambda k: MLP(
                (observation + action, *sizes, 1),
                final_activation=jax.nn.sigmoid, init=glorot_uniform, key=k,
            )
        )(jax.random.split(critic_key, TWINS))  # fmt: skip
        mean = MLP((observation, *sizes, action), init=glorot_uniform, key=policy_key)
        policy = RecoveryPolicy(mean, jnp.full(action, LOG_STD))
        targets = jax.tree.map(jnp.copy, critics)
        moments = [self._adam.init(eqx.filter(one, eqx.is_array)) for one in (critics, policy)]
        return RecoveryState(critics, targets, policy, *moments)

    @property
    def _adam(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    def update(
        self, state: RecoveryState, batch: Transition, policy: OnVectors, *, key: Key[Array, ""]
    ) -> tuple[RecoveryState, dict[str, Float[Array, ""]]]:
        after, now = jax.random.normal(key, (2, *batch.action.shape))
        vectors = jax.vmap(observation_vector)
        next_actions, _ = acted_on(policy.policy, vectors(batch.next_observation), after)
        return self.update_with(state, batch, next_actions, now)

    def update_with(
        self,
        state: RecoveryState,
        batch: Transition,
        next_actions: Float[Array, "batch a"],
        noise: Float[Array, "batch a"],
    ) -> tuple[RecoveryState, dict[str, Float[Array, ""]]]:
        """`update`, given the task policy's next actions and the recovery policy's noise."""
        vectors = jax.vmap(observation_vector)
        observations = vectors(batch.observation)
        following = values_of(state.targets, vectors(batch.next_observation), next_actions)
        unsafe = (batch.cost > 0).astype(following.dtype)
        goals = jax.vmap(lambda *x: risk_target(*x, discount=self.discount))(
            unsafe, batch.terminated.astype(following.dtype), following.T
        )

        def critic_loss(critics):
            values = values_of(critics, observations, batch.action)
            return jnp.sum(jnp.mean((values - goals[None]) ** 2, axis=1)), values

        (loss, values), slopes = jax.value_and_grad(critic_loss, has_aux=True)(state.critics)
        steps, critic_moments = self._adam.update(slopes, state.critic_moments)
        critics = eqx.apply_updates(state.critics, steps)

        def policy_loss(recovery):
            actions = jax.vmap(recovery)(observations, noise)
            return jnp.mean(jnp.max(values_of(critics, observations, actions), axis=0))

        steps, policy_moments = self._adam.update(
            jax.grad(policy_loss)(state.policy), state.policy_moments
        )
        recovery = eqx.apply_updates(state.policy, steps)
        keep = self.smoothing
        targets = jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, state.targets, critics)
        metrics = {"risk/critic_loss": loss, "risk/value": jnp.mean(jnp.max(values, axis=0))}
        return RecoveryState(critics, targets, recovery, critic_moments, policy_moments), metrics

    def risk(
        self, state: RecoveryState, observation: Float[Array, " n"], action: Float[Array, " a"]
    ) -> Float[Array, ""]:
        """The higher of both critics."""
        return jnp.max(values_of(state.critics, observation[None], action[None]))

    def recover(
        self, state: RecoveryState, observation: Float[Array, " n"], *, key: Key[Array, ""]
    ) -> Float[Array, " a"]:
        noise = jax.random.normal(key, state.policy.log_std.shape)
        return jnp.clip(state.policy(observation, noise), -1.0, 1.0)
