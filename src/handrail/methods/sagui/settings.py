"""What determines the runs of SaGui: frozen values, one docstring a field."""

import dataclasses
from typing import Annotated, Literal

from handrail.core.arguments import (
    AtMost,
    Count,
    Discount,
    NonNegative,
    NonNegativeInt,
    Positive,
    Seed,
    Share,
    ShareOfLimit,
    ShareOfSteps,
)
from handrail.core.errors import HandrailError
from handrail.equations.budget import LIMIT_STEPS as LIMIT_STEPS
from handrail.learners.sac.networks import CostCritic

Role = Literal["expert", "pretrained"]
Inputs = Literal["raw", "scaled"]

EARLY = 2.0
"""Threshold of budget-switch where nothing else is said, in multiples of the limit."""
TRANSITIONS = "transitions.safetensors"
"""Beside a guide: steps of its source, if some were kept."""


@dataclasses.dataclass(frozen=True)
class SacSettings:
    """SAC-λ (the paper's values, with the networks of the task Static)."""

    hidden: tuple[Count, ...] = (32, 32)
    """Widths of the hidden layers of actor and critics."""
    batch: Annotated[Count, AtMost("replay")] = 32
    """Transitions an update."""
    learning_rate: Positive = 1e-3
    """Step size of Adam, for actor, critics and entropy weight."""
    discount: Discount = 0.99
    """γ per step, of rewards and costs."""
    smoothing: Share = 0.995
    """Share of the old target networks that an update keeps."""
    reward_scale: float = 1.0
    """What the environment's rewards are multiplied by before they are learnt from."""
    reward_critics: Literal["lowest", "mean"] = "lowest"
    """What is believed of the two reward critics: the lower (the scripts), or their mean, which
    does not despair of what has seldom been tried (beyond the paper)."""
    multiplier_rate: NonNegative = 50.0
    """Step size of the multiplier β, as a multiple of `learning_rate`."""
    damping: NonNegative = 10.0
    """Scale of the damping κ; 0 turns it off."""
    cost_floor: Literal["none", "zero", "guide"] = "none"
    """The least that is believed of the cost critic: nothing is (the scripts), zero, or what the
    guide's own cost critic foresees of the student's action."""
    cost_critic: CostCritic = "linear"
    """What a cost critic can say: any number (the scripts), or positive ones alone, the softplus
    of its last layer, which is quiet where nothing can happen (beyond the paper)."""
    inputs: Inputs = "raw"
    """What the networks read of an observation: its numbers (the scripts), or those brought to one
    scale, with lidars in the logarithm of the distance (beyond the paper)."""
    replay: Count = 1_000_000
    """Capacity of the replay (a split one has half of it for each actor)."""
    block: Count = 100
    """Steps between two rounds of updates."""
    updates: Count = 100
    """Updates a round."""
    learning_starts: NonNegativeInt = 500
    """Steps before the first round."""


@dataclasses.dataclass(frozen=True)
class RescueSettings:
    """Source episodes that begin inside a hazard at a random velocity (beyond the paper)."""

    share: Share = 0.5
    """Share of the episodes, 0 to 1."""
    max_speed: NonNegative = 1.5
    """Greatest speed at the start, m/s."""
    max_turn_rate: NonNegative = 3.0
    """Greatest turn rate at the start, rad/s."""


@dataclasses.dataclass(frozen=True)
class GuideSettings:
    """A safe guide, learnt in the source without the task's reward."""

    environment: str = "navigation-static"
    """The task whose source variant is learnt in."""
    seed: Seed = 0
    """Seed of everything."""
    steps: Count = 600_000
    """Environment steps (the authors: 9,000,000)."""
    epoch: Count = 30_000
    """Steps between two evaluations."""
    evaluation_episodes: Count = 100
    """Episodes of an evaluation: of full length, without rescue starts."""
    guard_episodes: Count = 300
    """Episodes of random driving under its guard in an evaluation, of 400 steps: costs are rare
    there, and high."""
    limit: NonNegative = 1.0
    """d⋄: expected cost of an episode of 1,000 steps; at most d⊙, better well below."""
    episode_length: Count = 200
    """Steps of a training episode (the authors: 1,000); the limit is always for 1,000 steps."""
    outside: Literal["ends", "open", "homing"] = "ends"
    """What becomes of an episode outside the extents: it ends (the paper), goes on without reward
    (`open`), so that the cost critic knows what is out there, or goes on with a reward for the way
    back (`homing`), so that no student is led off. Evaluations keep the paper's border."""
    wander: ShareOfSteps = 0.0
    """Share of the training steps that are driven by random actions, each held for 30 steps: a
    cost critic that is to judge a student's actions must have seen other actions than its guide's,
    and at speed (beyond the paper)."""
    insistence: Discount = 0.0
    """Probability with which the cost critic expects an action to go on for another step, and
    another, before the guide takes over: a student that is asked about may insist (beyond the
    paper)."""
    bonus: Literal["displacement", "entropy", "none"] = "displacement"
    """Reward of the source: the distance moved; observations far from their nearest neighbours
    among a batch of what has been visited; or nothing (the ablation MAXENT)."""
    entropy_weight: NonNegative = 1.0
    """α, fixed."""
    uniform_steps: NonNegativeInt = 500
    """Steps of uniformly random actions at the beginning."""
    rescue: RescueSettings = RescueSettings()
    """Rescue starts."""
    chosen: Literal["farthest", "guard"] = "farthest"
    """Which of the guides whose evaluation is within the limit is kept: the one that moves
    farthest (the paper's return), or the one under whose guard random driving costs least (beyond
    the paper)."""
    keep: NonNegativeInt = 0
    """Steps of the source that are kept beside the guide, for students with `source_data`."""
    copies: Count = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""


@dataclasses.dataclass(frozen=True)
class ForebearSettings:
    """What baselines bring along: an expert of the target, or a student pre-trained whole."""

    role: Role = "expert"
    """`expert`: learnt in the target. `pretrained`: in the source, observed like the target."""
    environment: str = "navigation-static"
    """The task."""
    seed: Seed = 0
    """Seed of everything."""
    steps: Count = 1_500_000
    """Environment steps."""
    epoch: Count = 30_000
    """Steps between two evaluations."""
    evaluation_episodes: Count = 100
    """Episodes of an evaluation."""
    limit: NonNegative = 5.0
    """Expected cost of an episode of 1,000 steps."""
    copies: Count = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""


@dataclasses.dataclass(frozen=True)
class StudentRun:
    """One student in one target task."""

    environment: str = "navigation-static"
    """The name of the target."""
    method: str = "control-switch"
    """What to run: a row of `table.METHODS`."""
    seed: Seed = 0
    """Seed of everything."""
    steps: Count = 1_500_000
    """Environment steps."""
    epoch: Count = 30_000
    """Steps of an epoch: the unit of violations, and of tests of the target policy."""
    test_episodes: Count = 100
    """Episodes with which the target policy is tested after every epoch."""
    limit: NonNegative = 5.0
    """d⊙: expected cost of an episode of 1,000 steps."""
    threshold: NonNegative | None = 2.0
    """Budget-switch: the guide acts where it predicts more than this multiple of the limit, both on
    the discounted scale of its cost critic; None: more than the cost at which its shield test took
    over, which its file says."""
    distillation: Literal["authors", "paper", "none"] = "authors"
    """ω = 0.1 β + 0.01 (the scripts), ω = β with entropy weight α + ω (the paper), or nothing."""
    strength: NonNegative = 0.1
    """ω of the ablation fixreg, and ω at the beginning of decreg."""
    density: Literal["authors", "exact"] = "authors"
    """Where log-densities are taken: at the squashed action, or at the pre-squash value."""
    weighting: Literal["squared", "linear", "none"] = "squared"
    """Importance weights inside the squared error (the scripts), outside it, or all 1."""
    constraint: Literal["stored", "present"] = "stored"
    """What the multiplier compares with the limit: the costs of stored actions (the scripts), or
    of what the student would do now in the stored states."""
    margin: ShareOfLimit = 1.0
    """The limit that the student's multiplier aims at, as a share of `limit` (beyond the paper)."""
    tolerance: ShareOfLimit = 0.0
    """Foreseen cost that the student's actor does not pay for, as a share of `limit` on the
    discounted scale of the critics (beyond the paper)."""
    excursions: ShareOfSteps = 0.0
    """Share of the steps that the guide drives unasked, in spells of 50 (beyond the paper)."""
    source_data: bool = False
    """Whether the student's cost critic and actor learn from as many steps of the source as of the
    target, rewards from the target alone (beyond the paper)."""
    source_price: NonNegative = 0.0
    """The least price of cost in steps of the source, where the multiplier may say less."""
    replay: Literal["auto", "split", "ring"] = "auto"
    """One memory for each actor, or one for both; `auto`: split where another takes over for
    the rest of an episode, as in the paper."""
    copies: Count = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""


def check_schedule(steps: int, epoch: int, learning: SacSettings) -> None:
    """Refuses steps that are no whole number of epochs, and epochs that cut a block."""
    if epoch < learning.block or epoch % learning.block:
        raise HandrailError(
            f"epoch is {epoch}: expected a positive multiple of {learning.block} (learning.block)"
        )
    if steps < epoch or steps % epoch:
        raise HandrailError(f"steps is {steps}: expected a positive multiple of epoch, {epoch}")
