"""What determines the runs of the method: frozen values, one docstring a field (`--help`)."""

import dataclasses
from typing import Annotated, Literal

from handrail.core.arguments import (
    AtMost,
    Count,
    Discount,
    NonNegative,
    NonNegativeInt,
    Positive,
    Range,
    Seed,
    Share,
)
from handrail.core.recorded import added_later
from handrail.core.renamed import takes_old_settings
from handrail.networks.image_network import ENCODER_IMAGES, ImageNetwork


@dataclasses.dataclass(frozen=True)
class QLearning:
    """Deep Q-learning (the paper's values)."""

    learning_rate: Positive = 2.5e-4
    """Step size of Adam."""
    discount: Discount = 0.99
    """γ. The paper's 0.99 makes standing still worth 0.99 of the best action; see lava-gamma."""
    operator: Literal["double", "max", "advantage"] = "double"
    """Bellman operator: double Q, plain maximum, or advantage learning (wider action gaps)."""
    advantage: Share = 0.5
    """Share of the action gap that advantage learning takes off."""
    prioritized: bool = True
    """Proportional prioritized replay instead of uniform."""
    priority_exponent: NonNegative = 0.5
    """α of prioritized replay."""
    replay: Count = 10_000
    """Capacity of the replay."""
    batch: Annotated[Count, AtMost("replay")] = 128
    """Transitions an update."""
    learning_starts: NonNegativeInt = 10_000
    """Steps before the first update."""
    train_every: Count = 10
    """Steps between updates."""
    target_every: Count = 500
    """Steps between copies to the target network."""
    epsilon_end: Share = 0.05
    """Exploration rate at the end of its schedule (it starts at 1)."""
    epsilon_fraction: Positive = 0.9
    """Share of the run over which the exploration rate falls; above 1 it never gets there."""
    novelty: NonNegative = added_later(0.0)
    """Reward for a step into a state, divided by the root of how often states of its kind were
    visited; 0 turns it off (beyond the paper)."""
    takeover_ends: bool = added_later(False)
    """Whether a step in which it is overruled ends its episode for the learner: its own action is
    stored, with reward 0 and a cost of 1, and nothing follows (SAILR). So it learns what it is not
    let do (beyond the paper)."""
    hidden: tuple[Count, ...] = (120, 84)
    """Hidden layers on symbolic observations and on latents (images have `images`)."""
    images: ImageNetwork = added_later(ImageNetwork())
    """The network of observations with images of 32 × 32 pixels or more."""
    normalise_observations: bool = added_later(False)
    """Bring numbers that are no image to mean 0 and deviation 1, by the steps before the first
    update, and keep that in the file; for parts of very different scales (beyond the paper)."""


@dataclasses.dataclass(frozen=True)
class Safety:
    """The two checks (the paper's values)."""

    prior_prob: Share = 0.95
    """ρ: probability that a check, once its other conditions hold, is acted upon."""
    threshold: Annotated[float, Range(high=0)] = 0.0
    """An action is bad if its prior value is below the state's mean by more than this (≤ 0)."""
    max_distance: NonNegative = 2.5
    """d_max: mean latent distance below which a state counts as unsafe; where an adaptive
    distance starts."""
    adaptive: bool = False
    """Follow a quantile of the distances of safe states instead of the fixed d_max."""
    quantile: Share = 0.2
    """The quantile an adaptive distance follows."""
    neighbours: Count = 10
    """k: unsafe embeddings averaged over."""
    capacity: Count = 100
    """Unsafe embeddings kept."""
    bring_known: bool = False
    """Begin with the unsafe embeddings of the source tasks instead of none."""
    pessimism: NonNegative = added_later(0.0)
    """λ: with an ensemble of priors, an action is bad if mean − λ · deviation of its advantage over
    the members is below the threshold."""
    repeat_distance: NonNegative = added_later(0.0)
    """An action that did harm is not executed where the latent distance to that state is below
    this, under methods with both checks; 0: only the state is remembered (the paper)."""
    guide_temperature: Positive = added_later(0.05)
    """Where a guide acts: the discounted cost of an action that makes it 1/e as likely (beyond the
    paper)."""


MOST_MEMBERS = 32
Members = Annotated[int, Range(1, MOST_MEMBERS)]
PRIOR_LEARNING = QLearning(operator="max", prioritized=False, epsilon_fraction=0.5)
ACTING = QLearning(prioritized=False, epsilon_fraction=4.0)
OWN_LEARNING = QLearning(learning_starts=1_000)
OWN_PRIOR_LEARNING = dataclasses.replace(PRIOR_LEARNING, learning_starts=1_000)
OWN_ACTING = dataclasses.replace(ACTING, learning_starts=1_000)
"""What learns in environments of the user's, unless they say otherwise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorSettings:
    """The prior: source Q-functions, their pseudo-reward, a Q-function of that."""

    source_steps: Count = 200_000
    """Steps of each source task."""
    prior_steps: Count = 250_000
    """Steps of the prior."""
    source_learning: QLearning = QLearning()
    """The learner of the source tasks."""
    prior_learning: QLearning = PRIOR_LEARNING
    """The learner of the prior (as the authors: no double Q, uniform replay)."""
    terminal: Literal["reset", "masked"] = "reset"
    """Value of the state after a terminal step in the pseudo-reward: that of a first
    state (the authors), or none; see docs/decisions.md."""
    undesirable: float = 0.1
    """Undesirability above which an action earns a pseudo-reward."""
    members: Members = added_later(1)
    """Priors in an ensemble, each with source Q-functions of its own: those of the seeds `seed`,
    `seed` + 1, …, in the same tasks."""
    seed: Seed = 0
    """Seed of the networks, and of what is drawn in the tasks."""


AVOIDING = QLearning(operator="max", discount=0.95, epsilon_fraction=4.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AvoidanceSettings:
    """A guide for numbered actions: a Q-function of cost, learnt without the task's reward (beyond
    the paper).
    """

    steps: Count = 200_000
    """Environment steps."""
    learning: QLearning = AVOIDING
    """The learner; its exploration rate stays high."""
    seed: Seed = 0
    """Seed of the network, and of what is drawn in the task."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepresentationSettings:
    """An auto-encoder that is trained on what is seen meanwhile, whoever acts."""

    loss: Literal["contrastive", "vanilla", "vae", "infonce"] = "contrastive"
    """What shapes the latent space, beside the reconstruction."""
    steps: Count = 200_000
    """Environment steps."""
    train_every: Count = 5
    """Steps between updates of the auto-encoder."""
    batch: Count = 128
    """Observations an update, half of them unsafe ones."""
    latent: Count = 50
    """Size of the embedding."""
    contrastive_margin: NonNegative = 10.0
    """α of the contrastive loss, on the squared distance."""
    coefficient: NonNegative = 0.5
    """Weight of the contrastive (or InfoNCE) term; the reconstruction has 100."""
    learning_rate: Positive = added_later(2.5e-4)
    """Step size of Adam."""
    hidden: tuple[Count, ...] = (256,)
    """Hidden layers of encoder and decoder, if not on pixels."""
    images: ImageNetwork = added_later(ENCODER_IMAGES)
    """The encoder of observations with images of 32 × 32 pixels or more; the decoder mirrors it."""
    seed: Seed = 0
    """Seed of the network, and of what is drawn in the task."""


@takes_old_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderSettings(RepresentationSettings):
    """The encoder: an auto-encoder trained while an agent acts."""

    acting: QLearning = ACTING
    """The agent that acts meanwhile; its exploration rate stays high."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentSettings:
    """An agent that learns its task, with or without knowledge brought along."""

    seed: Seed = 0
    """Seed of the networks, and of what is drawn in the task."""
    steps: Count = 200_000
    """Environment steps."""
    learning: QLearning = QLearning()
    """The learner."""
    safety: Safety = Safety()
    """The safety module; used by the methods that have one."""
