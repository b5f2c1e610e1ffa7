"""What determines the runs of SaGui: frozen values, one docstring a field."""

import dataclasses
from collections.abc import Mapping
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
    ShareOfLimit,
    ShareOfSteps,
    Spread,
)
from handrail.core.recorded import added_later
from handrail.core.renamed import takes_old_settings
from handrail.equations.budget import LIMIT_STEPS as LIMIT_STEPS
from handrail.equations.pid import Pid
from handrail.learners.sac.networks import CostCritic
from handrail.methods.sagui.near_settings import NEAR, NearUnsafeSettings
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.takeover_settings import (
    EXECUTED,
    PLAIN,
    RISK,
    RiskSettings,
    StoredSettings,
    TakeoverSettings,
)
from handrail.networks.image_network import ImageNetwork

Role = Literal["expert", "pretrained"]
Inputs = Literal["raw", "scaled"]

RiskLevel = Annotated[float, Range(0, 1, above=True)]

EARLY = 2.0
"""Threshold of budget-switch where nothing else is said, in multiples of the limit."""
TRANSITIONS = "transitions.safetensors"
"""Beside a guide: steps of its source, if some were kept."""


@takes_old_settings
@dataclasses.dataclass(frozen=True)
class SacSettings:
    """SAC-Lagrangian (the paper's values, with the networks of the task Static)."""

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
    """Which value of the two reward critics is used: the lower (the scripts), or their mean (beyond
    the paper)."""
    multiplier_rate: NonNegative = 50.0
    """Step size of the multiplier β, as a multiple of `learning_rate`."""
    damping: NonNegative = 10.0
    """Scale of the damping κ; 0 turns it off."""
    cost_floor: Literal["none", "zero", "guide"] = "none"
    """The least cost that a cost critic may predict: none (the scripts), zero, or what the guide's
    cost critic predicts of the student's action."""
    cost_critic: CostCritic = "linear"
    """The range of a cost critic: any number (`linear`, the scripts), or positive numbers, the
    softplus of its last layer (beyond the paper)."""
    cost_critics: Count = added_later(1)
    """How many cost critics there are for each cost. Of several, a guide's takeover may count how
    far they lie apart (`takeover.pessimism`); everything else reads their mean (beyond the
    paper)."""
    inputs: Inputs = "raw"
    """What the networks read of an observation: its numbers (the scripts), or those brought to one
    scale, with lidars in the logarithm of the distance (beyond the paper)."""
    risk_level: RiskLevel = added_later(1.0)
    """Share of the worst outcomes whose expected cost the limit is for (WCSAC: 0.1 to 0.9); 1: all,
    the mean (the paper)."""
    multiplier: Literal["gradient", "pid"] = added_later("gradient")
    """What moves β: the gradient of its loss (the scripts), or a PID controller."""
    pid: Pid = added_later(Pid())
    """The controller; its cost is the predicted one that `multiplier_on` names, discounted."""
    images: ImageNetwork = added_later(ImageNetwork())
    """What actor and critics read images of 32 × 32 pixels or more with, in front of `hidden`
    (beyond the paper)."""
    normalise_observations: bool = added_later(False)
    """Bring numbers that are no image to mean 0 and deviation 1, by the steps before the first
    update, and keep that in the file; for parts of very different scales (beyond the paper)."""
    replay: Count = 1_000_000
    """Capacity of the replay (a split one has half of it for each actor)."""
    train_every: Count = 100
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
class RobustSettings:
    """How the source varies and disturbs while a guide learns; evaluations stay nominal."""

    mass: Spread = 0.0
    """x: the factor of the robot's mass and inertia is drawn from 1 − x to 1 + x at every training
    episode."""
    damping: Spread = 0.0
    """Likewise of the damping of its joints."""
    gain: Spread = 0.0
    """Likewise of its motors' force."""
    disturbance: Share = 0.0
    """α: what is executed is (1 − α) · action + α · disturbance; what is learnt from is the action
    (the follow-up of arXiv:2307.14316: 0.2)."""
    disturbed_by: Literal["random", "adversary"] = "random"
    """Random actions, each held for 30 steps, or an adversary: the corner of the action space
    towards which the guide's own cost critic rises."""

    @property
    def physical(self) -> tuple[float, float, float]:
        """How far the factors of mass, damping and gain vary."""
        return self.mass, self.damping, self.gain


@takes_old_settings
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
    shield_episodes: Count = 300
    """Episodes of the shield test in an evaluation, of 400 steps."""
    limit: NonNegative = 1.0
    """d⋄: expected cost of an episode of 1,000 steps; at most d⊙, better well below."""
    episode_length: Count = 200
    """Steps of a training episode (the authors: 1,000); the limit is always for 1,000 steps."""
    outside: Literal["ends", "open", "homing"] = "ends"
    """What happens when the agent leaves the extents: the episode ends (the paper), goes on without
    reward (`open`), or goes on with a reward for the way back (`homing`). Evaluations keep the
    paper's border."""
    random_action_share: ShareOfSteps = 0.0
    """Share of the training steps with random actions, each repeated for 30 steps, so that the cost
    critic sees other actions than the guide's (beyond the paper)."""
    action_repeat_prob: Discount = 0.0
    """Probability with which the cost critic's target repeats the action in the next step before
    the guide acts (beyond the paper)."""
    bonus: Literal["displacement", "entropy", "random-network", "none"] = "displacement"
    """Reward of the source: the distance moved; observations far from their nearest neighbours
    among a batch of what has been visited; observations that a network cannot predict yet (random
    network distillation); or nothing (the ablation MAXENT)."""
    entropy_weight: NonNegative = 1.0
    """α, fixed."""
    uniform_steps: NonNegativeInt = 500
    """Steps of uniformly random actions at the beginning."""
    rescue: RescueSettings = RescueSettings()
    """Rescue starts."""
    selection: Literal["return", "shield"] = "return"
    """Which of the guides within the limit is kept: the one with the highest return (the paper's:
    the one that moves farthest), or the one with the lowest cost in the shield test (beyond the
    paper)."""
    keep: NonNegativeInt = 0
    """Steps of the source that are kept beside the guide, for students with `source_data`."""
    copies: Count = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""
    patience: Count = added_later(1)
    """Training goes on up to this multiple of `steps` while the guide that is kept fails: alone
    above `limit`, or above `shield_limit` in its shield test (beyond the paper)."""
    shield_limit: NonNegative | None = added_later(None)
    """Cost of 1,000 steps of the shield test with which a guide passes, for `patience`; None: the
    student's limit or, without a student of the same episodes, `limit`."""
    robust: RobustSettings = added_later(RobustSettings())
    """How the source varies and disturbs (beyond the paper)."""

    @property
    def longest(self) -> int:
        """The steps of a training in which no guide passes."""
        return self.patience * self.steps

    @property
    def accepted(self) -> float:
        """The highest cost in the shield test of a guide that passes."""
        return self.limit if self.shield_limit is None else self.shield_limit

    def accepted_by(self, student_limit: float) -> "GuideSettings":
        """It, where a student of this limit waits for it."""
        if self.patience == 1 or self.shield_limit is not None:
            return self
        return dataclasses.replace(self, shield_limit=student_limit)

    def passes(self, evaluation: Mapping[str, float]) -> bool:
        """Whether this row of `evaluations.csv` is good enough to end the training."""
        shielded = evaluation["shielded_cost"]
        return bool(evaluation["cost"] <= self.limit and shielded <= self.accepted)


@dataclasses.dataclass(frozen=True)
class PretrainingSettings:
    """What baselines start from: an expert of the target, or a student that was pre-trained."""

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
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone,
    unless the method is on-policy."""
    learning: SacSettings = SacSettings()
    """The learner."""
    method: str = added_later("sac-lagrangian")
    """What it learns as: a row of `table.METHODS`."""
    on_policy: OnPolicySettings = added_later(OnPolicySettings())
    """What on-policy methods have of their own."""


@takes_old_settings
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
    takeover: TakeoverSettings = added_later(PLAIN)
    """How the guide takes over, under methods in which it predicts."""
    stored: StoredSettings = added_later(EXECUTED)
    """What the student keeps of the steps in which it was overruled."""
    risk: RiskSettings = added_later(RISK)
    """The risk that it learns beside the task, under methods that do."""
    near: NearUnsafeSettings = added_later(NEAR)
    """Which states are near unsafe ones, under methods in which the guide acts there."""
    distillation: Literal["authors", "paper", "none"] = "authors"
    """ω = 0.1 β + 0.01 (the scripts), ω = β with entropy weight α + ω (the paper), or nothing."""
    strength: NonNegative = 0.1
    """ω of the ablation fixreg, and ω at the beginning of decreg."""
    density: Literal["authors", "exact"] = "authors"
    """Where log-densities are taken: at the squashed action, or at the pre-squash value."""
    weighting: Literal["squared", "linear", "none"] = "squared"
    """Importance weights inside the squared error (the scripts), outside it, or all 1."""
    multiplier_on: Literal["replay_actions", "policy_actions"] = "replay_actions"
    """Whose predicted costs the multiplier compares with the limit: those of the replayed actions
    (the scripts), or of the current policy's actions in the replayed states."""
    limit_fraction: ShareOfLimit = 1.0
    """The limit that the student's multiplier aims at, as a share of `limit` (beyond the paper)."""
    cost_slack: ShareOfLimit = 0.0
    """Predicted cost that the student's actor is not charged for, as a share of `limit` on the
    discounted scale of the critics (beyond the paper)."""
    guide_interval_share: ShareOfSteps = 0.0
    """Share of the steps that the guide takes at random, in intervals of 50 (beyond the paper)."""
    source_data: bool = False
    """Whether the student's cost critic and actor learn from as many steps of the source as of the
    target, rewards from the target alone (beyond the paper)."""
    source_price: NonNegative = 0.0
    """The least price of cost in steps of the source, where the multiplier may say less."""
    replay: Literal["auto", "split", "ring"] = "auto"
    """One memory for each actor, or one for both; `auto`: split where another takes over for
    the rest of an episode, as in the paper."""
    copies: Count = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone,
    unless the method is on-policy."""
    learning: SacSettings = SacSettings()
    """The learner."""
    on_policy: OnPolicySettings = added_later(OnPolicySettings())
    """What on-policy methods have of their own."""
