"""What SAC-Lagrangian learns, and what it reports of an update."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.core.rng import stream
from handrail.equations.pid import PidState
from handrail.learners.sac.adam import AdamState
from handrail.learners.sac.networks import CostCritic, CriticEnsemble
from handrail.learners.sac.worst_case import VarianceCritics
from handrail.networks.gaussian import GaussianPolicy, Inputs

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
    variance: VarianceCritics | None = None  # of costs, where the worst outcomes count
    intrinsic: Any = None  # what a reward of the learner's own learns, if it does

    @classmethod
    def init(
        cls,
        observation: int,
        action: int,
        hidden: tuple[int, ...],
        *,
        constraints: int,
        cost_critic: CostCritic,
        cost_critics: int = 1,
        inputs: Inputs,
        variance: bool = False,
        intrinsic: Any = None,
        key: Key[Array, ""],
    ) -> "SacParameters":
        """Fresh networks for vectors of these sizes; `constraints` is 0 where there is one cost."""
        actor_key, critic_key = jax.random.split(key)
        return cls(
            actor=GaussianPolicy(observation, action, hidden, inputs=inputs, key=actor_key),
            critics=CriticEnsemble.init(
                observation, action, hidden,
                costs=max(constraints, 1), cost_critic=cost_critic, cost_critics=cost_critics,
                inputs=inputs, key=critic_key,
            ),
            entropy=jnp.zeros(()),
            multiplier=jnp.zeros(constraints or ()),
            variance=VarianceCritics.init(
                observation, action, hidden,
                costs=max(constraints, 1), inputs=inputs, key=stream(key, "variance"),
            ) if variance else None,
            intrinsic=intrinsic,
        )  # fmt: skip


class SacState(eqx.Module):
    """The learner between two updates."""

    parameters: SacParameters
    targets: CriticEnsemble
    adam: AdamState
    variance_targets: VarianceCritics | None = None
    pid: PidState | None = None  # of a multiplier that is steered by it: β is its multiplier
