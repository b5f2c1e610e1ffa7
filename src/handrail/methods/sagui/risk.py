"""Methods that learn in the target which actions are risky: who acts, and what is learnt."""

from handrail.interventions.base import Intervention
from handrail.interventions.learnt_risk import FirstSafe, Recover, RiskExceeds, SafeSample
from handrail.learners.risk.conservative import ConservativeRisk
from handrail.learners.risk.recovery import RecoveryRisk
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.settings import SacSettings
from handrail.methods.sagui.takeover import Takeover
from handrail.methods.sagui.takeover_settings import RiskSettings


def recovers(takeover: Takeover, known: Known) -> Intervention:
    """The recovery policy acts where the proposed action is too risky."""
    return Intervention(RiskExceeds(takeover.risk.limit), Recover())


def samples_safely(takeover: Takeover, known: Known) -> Intervention:
    """A safe action of the policy, by its density, in place of one that is too risky."""
    risk = takeover.risk
    return Intervention(RiskExceeds(risk.limit), SafeSample(risk.limit, risk.samples))


def takes_the_first_safe(takeover: Takeover, known: Known) -> Intervention:
    """The first safe action of the policy in place of one that is too risky."""
    risk = takeover.risk
    return Intervention(RiskExceeds(risk.limit), FirstSafe(risk.limit, risk.samples))


def recovery_risk(risk: RiskSettings, learning: SacSettings) -> RecoveryRisk:
    """Two critics and a recovery policy, as wide as the student's networks."""
    return RecoveryRisk(learning.hidden, risk.discount, risk.learning_rate, risk.smoothing)


def conservative_risk(risk: RiskSettings, learning: SacSettings) -> ConservativeRisk:
    """A conservative critic, as wide as the student's networks."""
    return ConservativeRisk(
        learning.hidden, risk.discount, risk.learning_rate, risk.smoothing,
        risk.conservatism, risk.samples,
    )  # fmt: skip
