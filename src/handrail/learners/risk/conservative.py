"""A conservative critic of risk (CSC, arXiv:2010.14497): too high for what the policy would do.

The loss is that of SAILR's reimplementation, in its scale: harm counts `SCALE`, and so do risks
inside; outside they are from 0 to 1. Targets follow smoothly here, not once in an epoch.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.types import Transition
from handrail.equations.risk import conservative_loss
from handrail.learners.risk.base import AbstractRisk, values_of
from handrail.learners.sac.networks import OnVectors, acted_on, observation_vector
from handrail.networks.initialisers import glorot_uniform
from handrail.networks.mlp import MLP

SCALE = 100.0
Actions = Float[Array, "samples batch a"]


class ConservativeState(eqx.Module):
    """The critic, its target, and the optimiser's moments."""

    critics: MLP  # every array has a leading axis of one critic
    targets: MLP
    moments: PyTree


class ConservativeRisk(AbstractRisk):
    """The update and its settings.

    Attributes:
        hidden: widths of the hidden layers.
        discount: γ of the risk, per step.
        learning_rate: of Adam.
        smoothing: share of the old target that an update keeps.
        conservatism: α of the loss (the code: 5).
        samples: actions of the policy over which means are taken.
    """

    hidden: tuple[int, ...] = eqx.field(default=(256, 256), static=True)
    discount: float = eqx.field(default=0.8, static=True)
    learning_rate: float = eqx.field(default=3e-4, static=True)
    smoothing: float = eqx.field(default=0.995, static=True)
    conservatism: float = eqx.field(default=5.0, static=True)
    samples: int = eqx.field(default=100, static=True)

    def init(self, observation: int, action: int, *, key: Key[Array, ""]) -> ConservativeState:
        sizes = (observation + action, *self.hidden, 1)
        critics = eqx.filter_vmap(lambda k: MLP(sizes, init=glorot_uniform, key=k))(key[None])
        targets = jax.tree.map(jnp.copy, critics)
        return ConservativeState(critics, targets, optax.adam(self.learning_rate).init(critics))

    def update(
        self, state: ConservativeState, batch: Transition, policy: OnVectors, *, key: Key[Array, ""]
    ) -> tuple[ConservativeState, dict[str, Float[Array, ""]]]:
        vectors = jax.vmap(observation_vector)
        noise = jax.random.normal(key, (2, self.samples, *batch.action.shape))

        def acted(observation, noise) -> Actions:
            seen = vectors(observation)
            return jax.vmap(lambda one: acted_on(policy.policy, seen, one)[0])(noise)

        here, after = acted(batch.observation, noise[0]), acted(batch.next_observation, noise[1])
        (loss, values), slopes = jax.value_and_grad(self.loss, has_aux=True)(
            state.critics, state.targets, batch, here, after
        )
        steps, moments = optax.adam(self.learning_rate).update(slopes, state.moments)
        critics = eqx.apply_updates(state.critics, steps)
        keep = self.smoothing
        targets = jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, state.targets, critics)
        metrics = {"risk/critic_loss": loss, "risk/value": jnp.mean(_share(values))}
        return ConservativeState(critics, targets, moments), metrics

    def loss(
        self, critics: MLP, targets: MLP, batch: Transition, here: Actions, after: Actions
    ) -> tuple[Float[Array, ""], Float[Array, " batch"]]:
        """The loss, and the critic's values at the stored actions, both in units of `SCALE`.

        `here` and `after` are actions of the policy in the observations and the next ones.
        """
        vectors = jax.vmap(observation_vector)
        observations, following = vectors(batch.observation), vectors(batch.next_observation)

        def mean(critic, seen, actions, change=lambda values: values):
            each = jax.vmap(lambda one: change(values_of(critic, seen, one)[0]))(actions)
            return jnp.mean(each, axis=0)

        next_values = mean(targets, following, after, lambda q: jnp.clip(q, 0.0, SCALE))
        continues = 1 - batch.terminated.astype(next_values.dtype)
        goals = SCALE * (batch.cost > 0) + self.discount * continues * next_values
        values = values_of(critics, observations, batch.action)[0]
        losses = jax.vmap(lambda *x: conservative_loss(*x, conservatism=self.conservatism))(
            values, goals, mean(critics, observations, here)
        )
        return jnp.mean(losses), values

    def risk(
        self, state: ConservativeState, observation: Float[Array, " n"], action: Float[Array, " a"]
    ) -> Float[Array, ""]:
        return _share(values_of(state.critics, observation[None], action[None])[0, 0])

    def recover(
        self, state: ConservativeState, observation: Float[Array, " n"], *, key: Key[Array, ""]
    ) -> Float[Array, " a"]:
        raise HandrailError(
            "a conservative critic has no recovery policy: take the substitute FirstSafe"
        )


def _share(values: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Risks from 0 to 1."""
    return jnp.clip(values, 0.0, SCALE) / SCALE
