"""What determines runs in environments of the user's with discrete actions."""

import dataclasses

from handrail.core.arguments import Count
from handrail.methods.contrastive.settings import (
    OWN_ACTING,
    OWN_LEARNING,
    OWN_PRIOR_LEARNING,
    EncoderSettings,
    PriorSettings,
    QLearning,
    StudentSettings,
)
from handrail.tasks.own.settings import OwnWorld


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedWorld(OwnWorld):
    """The same with numbered actions, not all of which may be allowed."""

    action_mask: bool = False
    """Whether info or the observation has an `action_mask` at every reset and step: no other action
    is proposed, drawn or learnt from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnDqn(MaskedWorld, StudentSettings):
    """A DQN in an environment that `environment` names: MODULE:ID, MODULE:FUNCTION, or an id that
    Gymnasium knows.
    """

    environment: str = ""
    """Where it learns."""
    method: str = "dqn"
    """What to run: a row of `methods.contrastive.table`."""
    steps: Count = 100_000
    """Environment steps, those of all side by side."""
    test_episodes: Count = 10
    """Whole episodes of the test of the greedy policy."""
    learning: QLearning = OWN_LEARNING
    """The learner."""
    info_columns: tuple[str, ...] = ()
    """Numbers in the info of an episode's last step, such as is_success, that tables have."""
    shield: str = ""
    """MODULE:NAME of an intervention that has the last word over every action; empty: none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnPrior(MaskedWorld, PriorSettings):
    """A prior from environments of the user's, each a task with rewards; costs are recorded, not
    learnt from.
    """

    sources: tuple[str, ...] = ()
    """Source tasks, at least two, named as the run's environment."""
    environment: str = ""
    """Where the prior itself is learnt; empty: the last source."""
    source_steps: Count = 100_000
    """Steps of each source task."""
    prior_steps: Count = 100_000
    """Steps of the prior."""
    source_learning: QLearning = OWN_LEARNING
    """The learner of the source tasks."""
    prior_learning: QLearning = OWN_PRIOR_LEARNING
    """The learner of the prior."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnEncoder(MaskedWorld, EncoderSettings):
    """An encoder from an environment of the user's in which mistakes are allowed; it learns from
    what costs.
    """

    environment: str = ""
    """Where it is trained; by default the run's environment."""
    steps: Count = 100_000
    """Environment steps."""
    acting: QLearning = OWN_ACTING
    """The agent that acts meanwhile; its exploration rate stays high."""
