"""What a student's run brings along, loaded: what its method's triggers and substitutes ask."""

import dataclasses

from handrail.core.errors import HandrailError
from handrail.interventions.substitutes import Policy
from handrail.learners.sac.networks import Distribution
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.outside_guide import OutsideGuide
from handrail.methods.sagui.state_check import StateEmbedding


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
