"""What determines the runs of SaGui: frozen values, one docstring a field."""

import dataclasses
from typing import Literal, get_args

from handrail.envs.navigation.tasks import Outside, navigation_task
from handrail.equations.budget import LIMIT_STEPS as LIMIT_STEPS
from handrail.errors import HandrailError, UnknownName
from handrail.learners.sac_networks import CostCritic

Role = Literal["expert", "pretrained"]
Inputs = Literal["raw", "scaled"]
Method = Literal[
    "control-switch", "linear-decay", "budget-switch", "sac", "sac-pre", "egpo",
    "fixreg", "decreg", "stusam", "guisam", "random-guide",
]  # fmt: skip
METHODS: tuple[str, ...] = get_args(Method)
NEEDS_GUIDE = (
    "control-switch", "linear-decay", "budget-switch", "fixreg", "decreg", "stusam", "guisam",
)  # fmt: skip
NEEDS_EXPERT = ("egpo",)
NEEDS_PRETRAINED = ("sac-pre",)
# Budget-switch is not among them: a guide with a pessimistic critic acts all the time, and a
# split memory whose one half stays empty would never be ready to learn from.
SPLIT = ("control-switch", "fixreg", "decreg", "random-guide", "egpo")
ONE_ACTOR = ("sac", "sac-pre", "stusam", "guisam")

EARLY = 2.0
"""Threshold of budget-switch where nothing else is said, in multiples of the limit."""
TRANSITIONS = "transitions.safetensors"
"""Beside a guide: steps of its source, if some were kept."""


@dataclasses.dataclass(frozen=True)
class SacSettings:
    """SAC-λ (the paper's values, with the networks of the task Static)."""

    hidden: tuple[int, ...] = (32, 32)
    """Widths of the hidden layers of actor and critics."""
    batch: int = 32
    """Transitions an update."""
    learning_rate: float = 1e-3
    """Step size of Adam, for actor, critics and entropy weight."""
    discount: float = 0.99
    """γ per step, of rewards and costs."""
    smoothing: float = 0.995
    """Share of the old target networks that an update keeps."""
    reward_scale: float = 1.0
    """What the environment's rewards are multiplied by before they are learnt from."""
    reward_critics: Literal["lowest", "mean"] = "lowest"
    """What is believed of the two reward critics: the lower (the scripts), or their mean, which
    does not despair of what has seldom been tried (beyond the paper)."""
    multiplier_rate: float = 50.0
    """Step size of the multiplier β, as a multiple of `learning_rate`."""
    damping: float = 10.0
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
    replay: int = 1_000_000
    """Capacity of the replay (a split one has half of it for each actor)."""
    block: int = 100
    """Steps between two rounds of updates."""
    updates: int = 100
    """Updates a round."""
    learning_starts: int = 500
    """Steps before the first round."""


@dataclasses.dataclass(frozen=True)
class TaskDefaults:
    """The paper's choices for a task."""

    hidden: tuple[int, ...]
    batch: int
    steps: int
    limit: float
    """d⊙: expected cost of an episode of 1,000 steps, undiscounted."""


TASKS: dict[str, TaskDefaults] = {
    "navigation-static": TaskDefaults((32, 32), 32, 1_500_000, 5.0),
    "navigation-semi-dynamic": TaskDefaults((64, 64), 64, 3_000_000, 8.0),
    "navigation-dynamic": TaskDefaults((256, 256), 256, 4_500_000, 25.0),
    "navigation-pointgoal1": TaskDefaults((256, 256), 256, 4_500_000, 25.0),
    "navigation-dynamic-without-vases": TaskDefaults((256, 256), 256, 4_500_000, 25.0),
    "navigation-pointgoal1-without-vases": TaskDefaults((256, 256), 256, 4_500_000, 25.0),
}
"""The car and vases need MuJoCo, and a loop on the host; the other tasks are compiled."""


@dataclasses.dataclass(frozen=True)
class RescueSettings:
    """Source episodes that begin inside a hazard at a random velocity (beyond the paper)."""

    share: float = 0.5
    """Share of the episodes, 0 to 1."""
    max_speed: float = 1.5
    """Greatest speed at the start, m/s."""
    max_turn_rate: float = 3.0
    """Greatest turn rate at the start, rad/s."""


@dataclasses.dataclass(frozen=True)
class GuideSettings:
    """A safe guide, learnt in the source without the task's reward."""

    environment: str = "navigation-static"
    """The task whose source variant is learnt in."""
    seed: int = 0
    """Seed of everything."""
    steps: int = 600_000
    """Environment steps (the authors: 9,000,000)."""
    epoch: int = 30_000
    """Steps between two evaluations."""
    evaluation_episodes: int = 100
    """Episodes of an evaluation: of full length, without rescue starts."""
    guard_episodes: int = 300
    """Episodes of random driving under its guard in an evaluation, of 400 steps: costs are rare
    there, and high."""
    limit: float = 1.0
    """d⋄: expected cost of an episode of 1,000 steps; at most d⊙, better well below."""
    episode_length: int = 200
    """Steps of a training episode (the authors: 1,000); the limit is always for 1,000 steps."""
    outside: Outside = "ends"
    """What becomes of an episode outside the extents: it ends (the paper), goes on without reward
    (`open`), so that the cost critic knows what is out there, or goes on with a reward for the way
    back (`homing`), so that no student is led off. Evaluations keep the paper's border."""
    wander: float = 0.0
    """Share of the training steps that are driven by random actions, each held for 30 steps: a
    cost critic that is to judge a student's actions must have seen other actions than its guide's,
    and at speed (beyond the paper)."""
    insistence: float = 0.0
    """Probability with which the cost critic expects an action to go on for another step, and
    another, before the guide takes over: a student that is asked about may insist (beyond the
    paper)."""
    bonus: Literal["displacement", "entropy", "none"] = "displacement"
    """Reward of the source: the distance moved; observations far from their nearest neighbours
    among a batch of what has been visited; or nothing (the ablation MAXENT)."""
    entropy_weight: float = 1.0
    """α, fixed."""
    uniform_steps: int = 500
    """Steps of uniformly random actions at the beginning."""
    rescue: RescueSettings = RescueSettings()
    """Rescue starts."""
    chosen: Literal["farthest", "guard"] = "farthest"
    """Which of the guides whose evaluation is within the limit is kept: the one that moves
    farthest (the paper's return), or the one under whose guard random driving costs least (beyond
    the paper)."""
    keep: int = 0
    """Steps of the source that are kept beside the guide, for students with `source_data`."""
    copies: int = 1
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
    seed: int = 0
    """Seed of everything."""
    steps: int = 1_500_000
    """Environment steps."""
    epoch: int = 30_000
    """Steps between two evaluations."""
    evaluation_episodes: int = 100
    """Episodes of an evaluation."""
    limit: float = 5.0
    """Expected cost of an episode of 1,000 steps."""
    copies: int = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""


@dataclasses.dataclass(frozen=True)
class StudentRun:
    """One student in one target task."""

    environment: str = "navigation-static"
    """A navigation task: compiled where it can be, else on MuJoCo."""
    method: Method = "control-switch"
    """What to run."""
    seed: int = 0
    """Seed of everything."""
    steps: int = 1_500_000
    """Environment steps."""
    epoch: int = 30_000
    """Steps of an epoch: the unit of violations, and of tests of the target policy."""
    test_episodes: int = 100
    """Episodes with which the target policy is tested after every epoch."""
    limit: float = 5.0
    """d⊙: expected cost of an episode of 1,000 steps."""
    threshold: float = 2.0
    """Budget-switch: the guide acts where it foresees more than this multiple of the limit,
    both on the discounted scale of its cost critic."""
    distillation: Literal["authors", "paper", "none"] = "authors"
    """ω = 0.1 β + 0.01 (the scripts), ω = β with entropy weight α + ω (the paper), or nothing."""
    strength: float = 0.1
    """ω of the ablation fixreg, and ω at the beginning of decreg."""
    density: Literal["authors", "exact"] = "authors"
    """Where log-densities are taken: at the squashed action, or at the pre-squash value."""
    weighting: Literal["squared", "linear", "none"] = "squared"
    """Importance weights inside the squared error (the scripts), outside it, or all 1."""
    constraint: Literal["stored", "present"] = "stored"
    """What the multiplier compares with the limit: the costs of stored actions (the scripts), or
    of what the student would do now in the stored states."""
    margin: float = 1.0
    """The limit that the student's multiplier aims at, as a share of `limit` (beyond the paper)."""
    tolerance: float = 0.0
    """Foreseen cost that the student's actor does not pay for, as a share of `limit` on the
    discounted scale of the critics (beyond the paper)."""
    excursions: float = 0.0
    """Share of the steps that the guide drives unasked, in spells of 50 (beyond the paper)."""
    source_data: bool = False
    """Whether the student's cost critic and actor learn from as many steps of the source as of the
    target, rewards from the target alone (beyond the paper)."""
    source_price: float = 0.0
    """The least price of cost in steps of the source, where the multiplier may say less."""
    replay: Literal["auto", "split", "ring"] = "auto"
    """One memory for each actor, or one for both; `auto`: split where another takes over for
    the rest of an episode, as in the paper."""
    copies: int = 1
    """Environments that are stepped side by side and decided for in one call; on MuJoCo alone."""
    learning: SacSettings = SacSettings()
    """The learner."""

    @property
    def splits(self) -> bool:
        """Whether each actor has a memory of its own."""
        return self.method in SPLIT if self.replay == "auto" else self.replay == "split"


def task_defaults(environment: str) -> TaskDefaults:
    """The paper's choices for a task; raises `UnknownName`."""
    if environment not in TASKS:
        raise UnknownName("navigation task", environment, TASKS)
    return TASKS[environment]


def check_share(name: str, share: float) -> None:
    """Refuses what is no share of the steps."""
    if not 0 <= share <= 1:
        raise HandrailError(f"{name} is {share}: expected a share of the steps, from 0 to 1")


def check_part_of_limit(name: str, part: float) -> None:
    """Refuses a negative share of the limit."""
    if not part >= 0:
        raise HandrailError(f"{name} is {part}: expected a share of the limit, such as 0.5")


def check_schedule(steps: int, epoch: int, learning: SacSettings) -> None:
    """Refuses steps that are no whole number of epochs, and epochs that cut a block."""
    if epoch < learning.block or epoch % learning.block:
        raise HandrailError(
            f"epoch is {epoch}: expected a positive multiple of {learning.block} (learning.block)"
        )
    if steps < epoch or steps % epoch:
        raise HandrailError(f"steps is {steps}: expected a positive multiple of epoch, {epoch}")


def check_copies(copies: int, environment: str, learning: SacSettings) -> None:
    """Refuses copies of a compiled task, and copies whose waves do not fill a block."""
    if copies < 1 or learning.block % copies:
        raise HandrailError(
            f"copies is {copies}: expected a divisor of {learning.block} (learning.block), such "
            "as 1, a single environment"
        )
    if copies > 1 and navigation_task(environment).compiles:
        raise HandrailError(
            f"copies is {copies}, but {environment} is compiled into one loop with its learner, "
            "where copies gain nothing; leave it at 1"
        )
