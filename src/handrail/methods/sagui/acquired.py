"""Does a guide fit its student? Said before hours of training it."""

from collections.abc import Mapping
from typing import Any

from handrail.core.errors import HandrailError
from handrail.methods.sagui.agents import check_cost_floor
from handrail.methods.sagui.schedule import check_patience
from handrail.methods.sagui.settings import GuideSettings, StudentRun


def check_acquired(run: StudentRun, knowledge: Mapping[str, Any]) -> None:
    """Refuses settings of a guide, by kind of knowledge, that would not fit its student.

    What `load_knowledge` refuses of files, as far as settings say it.
    """
    guide = knowledge.get("guide")
    if not isinstance(guide, GuideSettings):
        return
    check_patience(guide, within="guide.")
    if guide.limit > run.limit:
        raise HandrailError(
            f"guide.limit is {guide.limit:g}, above the student's {run.limit:g}: expected at most "
            "that, better a fifth of it"
        )
    if run.takeover.pessimism and guide.learning.cost_critics == 1:
        raise HandrailError(
            f"takeover.pessimism is {run.takeover.pessimism:g}, but guide.learning.cost_critics is "
            "1: one critic cannot disagree with itself; set it to several, such as 5, or pessimism "
            "to 0"
        )
    check_cost_floor(run.learning, guide.learning.discount, source="guide.learning.discount")
