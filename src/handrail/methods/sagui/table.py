"""The methods of SaGui and its baselines: a row says who acts when, and what a run needs.

To add a method whose trigger exists, add a row. One with a new trigger needs the trigger's class
in `handrail.interventions.triggers`, too.
"""

import dataclasses
from collections.abc import Callable

from handrail.core.errors import HandrailError, UnknownName
from handrail.equations.distillation import DecayingStrength, FixedStrength
from handrail.interventions.base import AbstractTrigger, Intervention
from handrail.interventions.recipes import control_switch, linear_decay, none
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import Always, BudgetSpent
from handrail.learners.risk.base import AbstractRisk
from handrail.learners.sac.networks import Distribution, Sampled
from handrail.methods.method import Method, table
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.on_policy import (
    CPO,
    PPO_LAGRANGIAN,
    TRPO_LAGRANGIAN,
    OnPolicyLearner,
)
from handrail.methods.sagui.outside_guide import OutsideGuide
from handrail.methods.sagui.risk import (
    conservative_risk,
    recovers,
    recovery_risk,
    samples_safely,
    takes_the_first_safe,
)
from handrail.methods.sagui.settings import (
    Block,
    PretrainingSettings,
    RiskSettings,
    SacSettings,
    StudentRun,
)
from handrail.methods.sagui.state_check import StateEmbedding, bad_action, near_unsafe
from handrail.methods.sagui.takeover import Takeover, by_advantage, by_cost, by_sum

GUIDE_AND_ENCODER = ("guide", "encoder")
HALF = 0.5
"""The share of the limit that our students aim at, where they can."""


@dataclasses.dataclass(frozen=True)
class Known:
    """The knowledge of a run, loaded."""

    guide: Guide | OutsideGuide | None = None
    expert: Distribution | None = None
    embedding: StateEmbedding | None = None

    @property
    def guiding(self) -> Guide | OutsideGuide:
        """The guide; raises `HandrailError` where a run has none."""
        if self.guide is None:
            raise HandrailError(
                "this takeover asks a guide's critics, but there is no guide: give the file of one "
                "(handrail.train_guide)"
            )
        return self.guide

    @property
    def encoding(self) -> StateEmbedding:
        """The encoder; raises `HandrailError` where a run has none."""
        if self.embedding is None:
            raise HandrailError(
                "this method asks an encoder which states are near unsafe ones, but there is none: "
                "use `handrail train`, which acquires it, or name its file (--encoder)"
            )
        return self.embedding

    @property
    def policy(self) -> Policy:
        """How the guide acts in the student's place."""
        return self.guiding.policy


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


def _switch(takeover: Takeover, known: Known) -> Intervention:
    return control_switch(known.policy)


When = Callable[[Takeover, Known], AbstractTrigger]


def _by_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    return by_cost(takeover, known.guiding)


def _by_sum(takeover: Takeover, known: Known) -> AbstractTrigger:
    return by_sum(takeover, known.guiding)


def _by_advantage(takeover: Takeover, known: Known) -> AbstractTrigger:
    return by_advantage(takeover, known.guiding)


def _near(takeover: Takeover, known: Known) -> AbstractTrigger:
    return near_unsafe(takeover.near, known.encoding)


def _near_and_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    return _near(takeover, known) & _by_cost(takeover, known)


def _near_or_cost(takeover: Takeover, known: Known) -> AbstractTrigger:
    return _near(takeover, known) | _by_cost(takeover, known)


def _state_and_action(takeover: Takeover, known: Known) -> AbstractTrigger:
    return _near(takeover, known) & bad_action(takeover.near, known.guiding)


def _guided(when: When) -> Callable[[Takeover, Known], Intervention]:
    """The guide acts where this fires."""
    return lambda takeover, known: Intervention(when(takeover, known), known.policy)


def _guided_in_budget(when: When) -> Callable[[Takeover, Known], Intervention]:
    """The guide acts where this fires, or the episode's budget is spent."""

    def intervention(takeover: Takeover, known: Known) -> Intervention:
        return Intervention(when(takeover, known) | BudgetSpent(takeover.limit), known.policy)

    return intervention


def _expert(takeover: Takeover, known: Known) -> Intervention:
    assert known.expert is not None
    return control_switch(Policy(Sampled(known.expert)))


def _none(takeover: Takeover, known: Known) -> Intervention:
    return none()


METHODS = table(
    [
        StudentMethod(
            "control-switch", "The guide acts from an episode's first cost to its end.", _switch,
            ("guide",), split_replay=True, default_limit_fraction=HALF,
        ),
        StudentMethod(
            "linear-decay", "The guide acts with a probability that falls from 1 to 0.",
            lambda takeover, known: linear_decay(known.policy), ("guide",),
        ),
        StudentMethod(
            "budget-switch", "The guide acts where it predicts too much cost of the proposed "
            "action, or the episode's budget is spent (ours).", _guided_in_budget(_by_cost),
            ("guide",), when=_by_cost, default_limit_fraction=HALF, guide_interval_share=0.1,
        ),
        StudentMethod(
            "sum-switch", "The guide acts where the episode's cost so far and what it predicts of "
            "the proposed action reach the limit (SOOPER).", _guided(_by_sum),
            ("guide",), when=_by_sum, by_limit=True, default_limit_fraction=HALF,
            guide_interval_share=0.1,
        ),
        StudentMethod(
            "advantage-switch", "The guide acts where it predicts more cost of the proposed action "
            "than of its own, by a margin (SAILR).", _guided(_by_advantage),
            ("guide",), when=_by_advantage, default_limit_fraction=HALF, guide_interval_share=0.1,
        ),
        StudentMethod(
            "near-unsafe-switch", "The guide acts near states that harm followed in the source, by "
            "an encoder, or where the episode's budget is spent.", _guided_in_budget(_near),
            GUIDE_AND_ENCODER, when=_near, asks_critic=False, default_limit_fraction=HALF,
            guide_interval_share=0.1,
        ),
        StudentMethod(
            "near-unsafe-and-cost", "The guide acts near such states where it also predicts too "
            "much cost of the proposed action, or where the budget is spent.",
            _guided_in_budget(_near_and_cost), GUIDE_AND_ENCODER, when=_near_and_cost,
            default_limit_fraction=HALF, guide_interval_share=0.1,
        ),
        StudentMethod(
            "near-unsafe-or-cost", "The guide acts near such states, and where it predicts too "
            "much cost of the proposed action, or where the budget is spent.",
            _guided_in_budget(_near_or_cost), GUIDE_AND_ENCODER, when=_near_or_cost,
            default_limit_fraction=HALF, guide_interval_share=0.1,
        ),
        StudentMethod(
            "state-action-switch", "The guide acts near such states where the proposed action is "
            "worse than random ones by its cost critic, or where the budget is spent.",
            _guided_in_budget(_state_and_action), GUIDE_AND_ENCODER, when=_state_and_action,
            asks_critic=False, default_limit_fraction=HALF, guide_interval_share=0.1,
        ),
        StudentMethod(
            "recovery-rl", "The student learns which actions are risky, and a recovery policy that "
            "acts in place of them (Recovery RL).",
            lambda takeover, known: recovers(takeover.risk), risk=recovery_risk,
        ),
        StudentMethod(
            "sqrl", "The student learns which actions are risky, and draws another, safe one of "
            "its own in place of them (SQRL).",
            lambda takeover, known: samples_safely(takeover.risk), risk=recovery_risk,
        ),
        StudentMethod(
            "csc", "The student learns conservatively which actions are risky, and takes its first "
            "safe sample in place of them (conservative safety critic).",
            lambda takeover, known: takes_the_first_safe(takeover.risk), risk=conservative_risk,
        ),
        StudentMethod(
            "sac-lagrangian", "SAC-Lagrangian from scratch: the student acts alone.", _none,
            single_actor=True, default_limit_fraction=HALF,
        ),
        StudentMethod(
            "sac-pre", "SAC-Lagrangian that goes on from its training in the source.", _none,
            ("pretrained",), single_actor=True,
        ),
        StudentMethod(
            "cpo", "Constrained policy optimisation from scratch, on-policy: the student acts "
            "alone.", _none, agent=CPO, single_actor=True,
        ),
        StudentMethod(
            "cpo-pre", "Constrained policy optimisation that goes on from its training in the "
            "source.", _none, ("pretrained",), agent=CPO, single_actor=True, pretrained_as="cpo",
        ),
        StudentMethod(
            "ppo-lagrangian", "PPO with a Lagrange multiplier from scratch, on-policy: the student "
            "acts alone.", _none, agent=PPO_LAGRANGIAN, single_actor=True,
        ),
        StudentMethod(
            "trpo-lagrangian", "TRPO with a Lagrange multiplier from scratch, on-policy: the "
            "student acts alone.", _none, agent=TRPO_LAGRANGIAN, single_actor=True,
        ),
        StudentMethod(
            "egpo", "An expert of the target acts from an episode's first cost to its end.",
            _expert, ("expert",), split_replay=True,
        ),
        StudentMethod(
            "fixreg", "Ablation: control-switch, the pull towards the guide of one strength.",
            _switch, ("guide",), split_replay=True, default_limit_fraction=HALF,
            strength=FixedStrength,
        ),
        StudentMethod(
            "decreg", "Ablation: control-switch, the pull towards the guide fading out.", _switch,
            ("guide",), split_replay=True, default_limit_fraction=HALF,
            strength=DecayingStrength,
        ),
        StudentMethod(
            "stusam", "Ablation: the student takes every step.", _none, ("guide",),
            single_actor=True, default_limit_fraction=HALF,
        ),
        StudentMethod(
            "guisam", "Ablation: the guide takes every step.",
            lambda takeover, known: Intervention(Always(), known.policy), ("guide",),
            single_actor=True, default_limit_fraction=HALF,
        ),
        StudentMethod(
            "random-guide", "Ablation: control-switch with a guide that has learnt nothing.",
            _switch, untrained_guide=True, split_replay=True, default_limit_fraction=HALF,
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
