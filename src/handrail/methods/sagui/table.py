"""The methods of SaGui and its baselines: a row says who acts when, and what a run needs.

To add a method whose trigger exists, add a row. One with a new trigger needs the trigger's class
in `handrail.interventions.triggers`, too.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from handrail.core.errors import UnknownName
from handrail.equations.distillation import DecayingStrength, FixedStrength
from handrail.interventions.base import AbstractTrigger, Intervention
from handrail.interventions.recipes import adaptive_share, control_switch, linear_decay, none
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import Always, BudgetSpent
from handrail.learners.risk.base import AbstractRisk
from handrail.learners.sac.networks import Sampled
from handrail.methods.method import Method, table
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.on_policy import CPO, PPO_LAGRANGIAN, TRPO_LAGRANGIAN, OnPolicyLearner
from handrail.methods.sagui.risk import (
    conservative_risk,
    recovers,
    recovery_risk,
    samples_safely,
    takes_the_first_safe,
)
from handrail.methods.sagui.schedule import Block
from handrail.methods.sagui.settings import PretrainingSettings, SacSettings, StudentRun
from handrail.methods.sagui.takeover import (
    Takeover,
    by_advantage,
    by_cost,
    by_sum,
    near_and_bad,
    near_and_cost,
    near_or_cost,
    near_unsafe,
)
from handrail.methods.sagui.takeover_settings import RiskSettings

GUIDE = ("guide",)
GUIDE_AND_ENCODER = ("guide", "encoder")
LIMIT_FRACTION = 0.5
"""The share of the limit that our students aim at, where they can."""


@dataclasses.dataclass(frozen=True)
class StudentMethod(Method):
    """A row for students: they learn by SAC-Lagrangian, unless there is an `agent`."""

    intervention: Callable[[Takeover, Known], Intervention]
    agent: OnPolicyLearner | None = None
    """Of an on-policy method."""
    untrained_guide: bool = False
    """Its guide is a network that has learnt nothing."""
    single_actor: bool = False
    """One actor takes every step: the student itself, or the guide."""
    split_replay: bool = False
    """Each actor has a memory of its own, unless the run says otherwise."""
    when: Callable[[Takeover, Known], AbstractTrigger] | None = None
    """What its guide takes over by, before harm: a prediction, or how near unsafe states are."""
    asks_critic: bool = True
    """Whether that asks a critic whose `threshold` and `takeover` count."""
    risk: Callable[[RiskSettings, SacSettings], AbstractRisk] | None = None
    """The risk that its student learns in the target, if it does: the run's `risk` counts."""
    by_limit: bool = False
    """What is predicted is compared with the limit itself, so that `threshold` does not count."""
    strength: Callable[[float], DecayingStrength | FixedStrength] | None = None
    """Of the pull towards the guide, in place of the multiplier's; from the run's `strength`."""
    default_limit_fraction: float = 1.0
    """Our share of the limit that the student's multiplier aims at, with one memory."""
    guide_interval_share: float = 0.0
    """Our share of the steps that the guide takes at random, in intervals of 50."""
    pretrained_as: str = "sac-lagrangian"
    """The method by which what a student goes on from was trained, where it needs that."""

    @property
    def predicts(self) -> bool:
        """Whether it takes over by a prediction that is compared with a threshold."""
        return self.when is not None and self.asks_critic

    @property
    def has_threshold(self) -> bool:
        """Whether `threshold` counts."""
        return self.predicts and not self.by_limit

    @property
    def needs_guide(self) -> bool:
        """Whether a run brings along the file of a guide."""
        return "guide" in self.needs

    @property
    def has_guide(self) -> bool:
        """Whether there is a guide at all, trained or not."""
        return self.needs_guide or self.untrained_guide

    @property
    def for_other_agents(self) -> bool:
        """Whether it is all said by its intervention: any agent may run under it."""
        return self.needs == ("guide",) and not self.single_actor and self.strength is None


def _alone(name: str, summary: str, needs: tuple[str, ...] = (), **options: Any) -> StudentMethod:
    """The student takes every step."""
    return StudentMethod(
        name, summary, lambda takeover, known: none(), needs, single_actor=True, **options
    )


def _switched(
    name: str, summary: str, needs: tuple[str, ...] = GUIDE, **options: Any
) -> StudentMethod:
    """Control-switch: the guide acts from an episode's first cost to its end."""
    return StudentMethod(
        name, summary, lambda takeover, known: control_switch(known.policy), needs,
        split_replay=True, default_limit_fraction=LIMIT_FRACTION, **options,
    )  # fmt: skip


def _foreseen(
    name: str,
    summary: str,
    when: Callable[[Takeover, Known], AbstractTrigger],
    needs: tuple[str, ...] = GUIDE,
    *,
    in_budget: bool = True,
    **options: Any,
) -> StudentMethod:
    """The guide acts where `when` fires or, `in_budget`, where the episode's budget is spent."""

    def intervention(takeover: Takeover, known: Known) -> Intervention:
        fires = when(takeover, known)
        spent = fires | BudgetSpent(takeover.limit) if in_budget else fires
        return Intervention(spent, known.policy)

    return StudentMethod(
        name, summary, intervention, needs, when=when, default_limit_fraction=LIMIT_FRACTION,
        guide_interval_share=0.1, **options,
    )  # fmt: skip


def _expert(takeover: Takeover, known: Known) -> Intervention:
    assert known.expert is not None
    return control_switch(Policy(Sampled(known.expert)))


METHODS = table(
    [
        _switched("control-switch", "The guide acts from an episode's first cost to its end."),
        StudentMethod(
            "linear-decay", "The guide acts with a probability that falls from 1 to 0.",
            lambda takeover, known: linear_decay(known.policy), GUIDE,
        ),
        StudentMethod(
            "adaptive-share", "The guide acts with a probability that falls after episodes within "
            "the limit and rises after others (ours).",
            lambda takeover, known: adaptive_share(known.policy, limit=takeover.limit), GUIDE,
        ),
        _foreseen(
            "budget-switch", "The guide acts where it predicts too much cost of the proposed "
            "action, or the episode's budget is spent (ours).", by_cost,
        ),
        _foreseen(
            "sum-switch", "The guide acts where the episode's cost so far and what it predicts of "
            "the proposed action reach the limit (SOOPER).", by_sum, in_budget=False, by_limit=True,
        ),
        _foreseen(
            "advantage-switch", "The guide acts where it predicts more cost of the proposed action "
            "than of its own, by a margin (SAILR).", by_advantage, in_budget=False,
        ),
        _foreseen(
            "near-unsafe-switch", "The guide acts near states that harm followed in the source, by "
            "an encoder, or where the episode's budget is spent.", near_unsafe, GUIDE_AND_ENCODER,
            asks_critic=False,
        ),
        _foreseen(
            "near-unsafe-and-cost", "The guide acts near such states where it also predicts too "
            "much cost of the proposed action, or where the budget is spent.", near_and_cost,
            GUIDE_AND_ENCODER,
        ),
        _foreseen(
            "near-unsafe-or-cost", "The guide acts near such states, and where it predicts too "
            "much cost of the proposed action, or where the budget is spent.", near_or_cost,
            GUIDE_AND_ENCODER,
        ),
        _foreseen(
            "state-action-switch", "The guide acts near such states where the proposed action is "
            "worse than random ones by its cost critic, or where the budget is spent.",
            near_and_bad, GUIDE_AND_ENCODER, asks_critic=False,
        ),
        StudentMethod(
            "recovery-rl", "The student learns which actions are risky, and a recovery policy that "
            "acts in place of them (Recovery RL).", recovers, risk=recovery_risk,
        ),
        StudentMethod(
            "sqrl", "The student learns which actions are risky, and draws another, safe one of "
            "its own in place of them (SQRL).", samples_safely, risk=recovery_risk,
        ),
        StudentMethod(
            "csc", "The student learns conservatively which actions are risky, and takes its first "
            "safe sample in place of them (conservative safety critic).", takes_the_first_safe,
            risk=conservative_risk,
        ),
        _alone(
            "sac-lagrangian", "SAC-Lagrangian from scratch: the student acts alone.",
            default_limit_fraction=LIMIT_FRACTION,
        ),
        _alone(
            "sac-pre", "SAC-Lagrangian that goes on from its training in the source.",
            ("pretrained",),
        ),
        _alone(
            "cpo", "Constrained policy optimisation from scratch, on-policy: the student acts "
            "alone.", agent=CPO,
        ),
        _alone(
            "cpo-pre", "Constrained policy optimisation that goes on from its training in the "
            "source.", ("pretrained",), agent=CPO, pretrained_as="cpo",
        ),
        _alone(
            "ppo-lagrangian", "PPO with a Lagrange multiplier from scratch, on-policy: the student "
            "acts alone.", agent=PPO_LAGRANGIAN,
        ),
        _alone(
            "trpo-lagrangian", "TRPO with a Lagrange multiplier from scratch, on-policy: the "
            "student acts alone.", agent=TRPO_LAGRANGIAN,
        ),
        StudentMethod(
            "egpo", "An expert of the target acts from an episode's first cost to its end.",
            _expert, ("expert",), split_replay=True,
        ),
        _switched(
            "fixreg", "Ablation: control-switch, the pull towards the guide of one strength.",
            strength=FixedStrength,
        ),
        _switched(
            "decreg", "Ablation: control-switch, the pull towards the guide fading out.",
            strength=DecayingStrength,
        ),
        _alone(
            "stusam", "Ablation: the student takes every step.", GUIDE,
            default_limit_fraction=LIMIT_FRACTION,
        ),
        StudentMethod(
            "guisam", "Ablation: the guide takes every step.",
            lambda takeover, known: Intervention(Always(), known.policy), GUIDE,
            single_actor=True, default_limit_fraction=LIMIT_FRACTION,
        ),
        _switched(
            "random-guide", "Ablation: control-switch with a guide that has learnt nothing.", (),
            untrained_guide=True,
        ),
    ]
)  # fmt: skip
RECIPES = tuple(name for name, row in METHODS.items() if row.for_other_agents)
"""Methods that are an intervention and nothing else."""


def row_of(method: str) -> StudentMethod:
    """The row of this name. Raises `UnknownName`."""
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    return METHODS[method]


def block_of(settings: StudentRun | PretrainingSettings) -> Block:
    """Steps between two rounds of updates of what learns with these settings."""
    if row_of(settings.method).agent is None:
        return Block.of(settings.learning)
    return Block(settings.on_policy.batch, "on_policy.batch")
