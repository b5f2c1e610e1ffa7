"""What SAC-λ learns, and what it reports of an update."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.learners.sac_adam import AdamState
from handrail.learners.sac_networks import CostCritic, CriticEnsemble
from handrail.networks.gaussian import GaussianPolicy
from handrail.networks.inputs import ScaledInputs

Scalar = Float[Array, ""]
METRICS = (
    "sac/actor_loss",
    "sac/reward_critic_loss",
    "sac/cost_critic_loss",
    "sac/entropy_weight",  # α
    "sac/multiplier",  # β, the largest of several
    "sac/damping",  # κ, the mean of several
    "sac/entropy",  # of the policy, nats
    "sac/reward_value",  # of the first reward critic at stored actions, discounted, scaled
    "sac/cost_value",  # of the cost critic at stored actions, discounted; the largest of several
    "sac/bonus",  # reward per step beside the environment's: the guide's, the learner's own
    "sac/finite",  # 1 if every loss is a finite number
)


class SacParameters(eqx.Module):
    """Everything that gradients change."""

    actor: GaussianPolicy
    critics: CriticEnsemble
    entropy: Scalar  # α = softplus of this
    multiplier: Float[Array, "*costs"]  # β = softplus of this; a number where there is one cost

    @classmethod
    def init(
        cls,
        observation: int,
        action: int,
        hidden: tuple[int, ...],
        *,
        constraints: int,
        cost_critic: CostCritic,
        inputs: ScaledInputs | None,
        key: Key[Array, ""],
    ) -> "SacParameters":
        """Fresh networks for vectors of these sizes; `constraints` is 0 where there is one cost."""
        actor_key, critic_key = jax.random.split(key)
        return cls(
            actor=GaussianPolicy(observation, action, hidden, inputs=inputs, key=actor_key),
            critics=CriticEnsemble.init(
                observation, action, hidden,
                costs=max(constraints, 1), cost_critic=cost_critic, inputs=inputs, key=critic_key,
            ),
            entropy=jnp.zeros(()),
            multiplier=jnp.zeros(constraints or ()),
        )  # fmt: skip


class SacState(eqx.Module):
    """The learner between two updates."""

    parameters: SacParameters
    targets: CriticEnsemble
    adam: AdamState
    averaged: GaussianPolicy | None = None  # of the actors so far, the latest weighing most

    @property
    def policy(self) -> GaussianPolicy:
        """What has been learnt to do, to be tested and kept; it is the actor that acts."""
        return self.parameters.actor if self.averaged is None else self.averaged

    def averaging(self, share: float) -> "SacState":
        """This state, with an average that begins as the actor; as it is if `share` is 0."""
        begins = jax.tree.map(jnp.copy, self.parameters.actor) if share else None
        return dataclasses.replace(self, averaged=begins)

    def followed(self, actor: GaussianPolicy, share: float) -> GaussianPolicy | None:
        """The average, if there is one, after a step of that share towards an actor."""
        if self.averaged is None:
            return None
        return jax.tree.map(lambda old, new: (1 - share) * old + share * new, self.averaged, actor)
