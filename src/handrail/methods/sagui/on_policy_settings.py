"""What determines on-policy methods beside the settings of every student: frozen values."""

import dataclasses

from handrail.core.arguments import Count, NonNegative, Positive, Share


@dataclasses.dataclass(frozen=True)
class TrustRegionSettings:
    """The step of CPO and TRPO-Lagrangian (the values of the first implementation of CPO)."""

    radius: Positive = 0.01
    """δ: the greatest mean KL divergence of the new from the old policy, nats."""
    damping: NonNegative = 0.1
    """What is added to the diagonal of the Fisher matrix."""
    iterations: Count = 10
    """Of conjugate gradients."""
    tries: Count = 10
    """Of the line search, before the old policy is kept."""
    shrink: Share = 0.8
    """What the step is multiplied by after each try."""


@dataclasses.dataclass(frozen=True)
class PpoSettings:
    """The passes of PPO-Lagrangian (the values of the library OmniSafe)."""

    clip: Positive = 0.2
    """ε: ratios gain nothing beyond 1 ± ε."""
    learning_rate: Positive = 3e-4
    """Step size of Adam for the policy."""
    passes: Count = 40
    """Passes over a batch, at most."""
    furthest: Positive = 0.02
    """No further pass once the mean KL divergence from the old policy exceeds this, nats."""
    entropy_weight: NonNegative = 0.0
    """Weight of the entropy bonus, before the squash."""


@dataclasses.dataclass(frozen=True)
class OnPolicySettings:
    """What on-policy methods have of their own. From `learning` they take `hidden`, `batch` (steps
    of one update of a network), `learning_rate` (of the values), `discount` and `inputs`.
    """

    batch: Count = 5_000
    """Environment steps of one update of the policy, of all environments side by side (published:
    20,000 to 30,000, in runs of 10,000,000)."""
    trace: Share = 0.95
    """λ of the advantages, of rewards and costs."""
    log_std: float = -0.5
    """Logarithm of the first policy's deviation, before the squash."""
    value_passes: Count = 10
    """Passes over a batch in which the values of reward and cost are fitted."""
    multiplier: NonNegative = 0.001
    """Price of cost before the first batch (PPO- and TRPO-Lagrangian)."""
    multiplier_rate: NonNegative = 0.035
    """Step size of Adam for it, once a batch (PPO- and TRPO-Lagrangian)."""
    trust_region: TrustRegionSettings = TrustRegionSettings()
    """The step of CPO and TRPO-Lagrangian."""
    ppo: PpoSettings = PpoSettings()
    """The passes of PPO-Lagrangian."""
