"""What determines a lava run: frozen values, one docstring a field (they become `--help`)."""

import dataclasses
from typing import Annotated, Literal, get_args

from handrail.arguments import (
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

Method = Literal["dqn", "priors-0.95", "priors-0.5", "ae", "vae", "full", "full-adaptive",
                 "state-only", "action-only"]  # fmt: skip
METHODS: tuple[str, ...] = get_args(Method)
NEEDS_PRIOR = ("priors-0.95", "priors-0.5", "full", "full-adaptive", "action-only")
NEEDS_ENCODER = ("full", "full-adaptive", "state-only")
LATENT = ("ae", "vae")  # the Q-network reads the latent of an auto-encoder
Observation = Literal["symbolic", "pixels"]
View = Literal["symbolic", "egocentric", "pixels"]


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
    hidden: tuple[Count, ...] = (120, 84)
    """Hidden layers on symbolic observations and on latents (pixels use the Nature network)."""


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


@dataclasses.dataclass(frozen=True)
class LavaRun:
    """One agent in one environment."""

    environment: str = "LavaCrossingS9N1"
    """Any MiniGrid environment of walls, lava, floor and goals."""
    method: Method = "full"
    """What to run."""
    observation: Observation = "symbolic"
    """What the learner sees: the grid in numbers, or the paper's 84×84 image."""
    seed: Seed = 123
    """Seed of the layout and of all else."""
    steps: Count = 200_000
    """Environment steps."""
    learning: QLearning = QLearning()
    """The learner."""
    safety: Safety = Safety()
    """The safety module; used by the methods that have one."""
    lava_color: str | None = None
    """Paint the lava in another colour (pixels only)."""


def recommended(run: LavaRun) -> LavaRun:
    """What most users should start with, chosen on layouts other than those reported.

    γ = 0.95, both checks always acted upon, an adaptive distance, and the unsafe embeddings
    brought along; made for knowledge from many layouts.
    """
    learning = dataclasses.replace(run.learning, discount=0.95)
    safety = dataclasses.replace(
        run.safety, prior_prob=1.0, threshold=-0.05, adaptive=True, bring_known=True
    )
    return dataclasses.replace(run, learning=learning, safety=safety)
