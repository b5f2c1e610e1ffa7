"""What determines a prior and an encoder: frozen values, one docstring a field."""

import dataclasses
from typing import Literal

from handrail.arguments import Count, NonNegative, Seed
from handrail.experiments.lava.settings import QLearning, View

SOURCES = ("SimpleCrossingS9N1", "SimpleCrossingS9N2", "LavaCrossingS9N1", "LavaCrossingS9N2")
# Layouts that are reported on; no knowledge is ever acquired on one of these.
HELD_OUT_ENVIRONMENTS = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3")
HELD_OUT_SEEDS = (123, 456, 789, 1011, 1213)
ONE_LAYOUT_SEED = 1  # the authors' source tasks
SOURCE = QLearning()
PRIOR = QLearning(operator="max", prioritized=False, epsilon_fraction=0.5)
ACTING = QLearning(prioritized=False, epsilon_fraction=4.0)


@dataclasses.dataclass(frozen=True)
class PriorSettings:
    """The prior: source Q-functions, their pseudo-reward, a Q-function of that."""

    view: View = "symbolic"
    """What the networks see: the learner's observation, or its egocentric view."""
    layouts: Literal["one", "many"] = "one"
    """One fixed layout a task (the paper), or a pool of random ones."""
    pool: Count = 48
    """Layouts a task, if many."""
    sources: tuple[str, ...] = SOURCES
    """Source tasks."""
    source_steps: Count = 200_000
    """Steps of each source task."""
    environment: str = "LavaCrossingS9N1"
    """Where the prior itself is learnt."""
    prior_steps: Count = 250_000
    """Steps of the prior."""
    source_learning: QLearning = SOURCE
    """The learner of the source tasks."""
    prior_learning: QLearning = PRIOR
    """The learner of the prior (as the authors: no double Q, uniform replay)."""
    terminal: Literal["reset", "masked"] = "reset"
    """Value of the state after a terminal step in the pseudo-reward: that of a first
    state (the authors), or none; see docs/decisions.md."""
    undesirable: float = 0.1
    """Undesirability above which an action earns a pseudo-reward."""
    seed: Seed = 0
    """Seed of the networks and of the pools."""


@dataclasses.dataclass(frozen=True)
class EncoderSettings:
    """The encoder: an auto-encoder trained while an agent acts."""

    view: View = "symbolic"
    """What the encoder sees."""
    loss: Literal["contrastive", "vanilla", "vae", "infonce"] = "contrastive"
    """What shapes the latent space, beside the reconstruction."""
    environment: str = "LavaCrossingS9N1"
    """Where it is trained, on a pool of random layouts."""
    pool: Count = 48
    """Layouts in the pool."""
    starts: Literal["seed", "anywhere"] = "seed"
    """Where episodes begin: where MiniGrid itself begins them, or in any free cell, so that an
    agent which acts at random also sees what lies behind the lava."""
    steps: Count = 200_000
    """Environment steps."""
    train_every: Count = 5
    """Steps between updates of the auto-encoder."""
    batch: Count = 128
    """Observations an update, half of them unsafe ones."""
    latent: Count = 50
    """Size of the embedding."""
    margin: NonNegative = 10.0
    """α of the contrastive loss, on the squared distance."""
    coefficient: NonNegative = 0.5
    """Weight of the contrastive (or InfoNCE) term."""
    hidden: tuple[Count, ...] = (256,)
    """Hidden layers of encoder and decoder, if not on pixels."""
    acting: QLearning = ACTING
    """The agent that acts meanwhile; its exploration rate stays high."""
    seed: Seed = 0
    """Seed of the network and of the pool."""
