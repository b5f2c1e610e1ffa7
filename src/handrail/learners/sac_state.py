"""What SAC-λ learns, and what it reports of an update."""

import equinox as eqx
from jaxtyping import Array, Float

from handrail.learners.sac_adam import AdamState
from handrail.learners.sac_networks import CriticEnsemble
from handrail.networks.gaussian import GaussianPolicy

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


class SacState(eqx.Module):
    """The learner between two updates."""

    parameters: SacParameters
    targets: CriticEnsemble
    adam: AdamState
