"""When a guide takes over, what its student keeps of that, and a risk that one learns itself."""

import dataclasses
from typing import Annotated, Literal

from handrail.core.arguments import Count, Discount, NonNegative, Positive, Range, Share


@dataclasses.dataclass(frozen=True)
class TakeoverSettings:
    """How a guide's critics are read, and for how long it stays (beyond the paper)."""

    pessimism: NonNegative = 0.0
    """What is added to the mean of a guide's cost critics, in their standard deviations; needs a
    guide with several (`guide.learning.cost_critics`)."""
    release: Share = 1.0
    """The guide stays while what it compares exceeds this share of its threshold; 1: no longer than
    it fires."""
    hold_steps: Count = 1
    """Steps for which the guide acts at least, once it has stepped in."""


PLAIN = TakeoverSettings()
"""The guide acts at the steps at which it predicts too much, by the mean of its critics."""


@dataclasses.dataclass(frozen=True)
class StoredSettings:
    """What a student keeps of the steps in which it was overruled."""

    action: Literal["executed", "proposed"] = "executed"
    """Which action is stored: the one that was executed (the paper), or the student's own, as if
    its guide were part of the environment (Recovery RL)."""
    penalty: NonNegative = 0.0
    """Reward that is taken off such a step."""
    takeover_ends: bool = False
    """Whether such a step ends the student's episode: its own action is stored, and nothing follows
    (SAILR)."""
    ending_reward: float = 0.0
    """Reward of a step that ends so, in place of what the guide earned."""
    ending_value: bool = False
    """Whether the reward of a step that ends so is what the guide's reward critics predict from
    there on (SOOPER). They know the reward of the *source*: of use where that is the task's."""
    ending_cost: NonNegative = 0.0
    """Cost of a step that ends so, in place of what the guide paid; SAILR: 1 / (1 − discount)."""


@dataclasses.dataclass(frozen=True)
class RiskSettings:
    """A risk that is learnt in the target while the task is: recovery-rl, sqrl and csc."""

    limit: Annotated[float, Range(0, 1, above=True, below=True)] = 0.3
    """Risk above which an action is replaced, a discounted probability of harm."""
    discount: Discount = 0.8
    """γ per step of the risk: how far ahead harm counts."""
    learning_rate: Positive = 3e-4
    """Step size of Adam."""
    smoothing: Share = 0.9998
    """Share of the old target networks that an update keeps."""
    samples: Count = 100
    """Actions of the policy among which a safe one is looked for (sqrl, csc)."""
    conservatism: NonNegative = 5.0
    """By how much the critic is raised for what the policy would do (csc)."""


RISK = RiskSettings()
"""Recovery RL's values."""
EXECUTED = StoredSettings()
"""What happened is stored."""
