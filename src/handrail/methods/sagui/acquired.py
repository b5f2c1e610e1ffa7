"""Does a guide fit its student? Said before hours of training it."""

from collections.abc import Mapping
from typing import Any

from handrail.core.arguments import number
from handrail.core.errors import HandrailError
from handrail.core.renamed import warn_once
from handrail.methods.sagui.agents import check_cost_floor
from handrail.methods.sagui.presets import SOURCE_STEPS
from handrail.methods.sagui.schedule import check_patience
from handrail.methods.sagui.settings import GuideSettings, StudentRun

GUIDE_LIMIT_FRACTION = 0.2
"""Of the student's limit: the guide's, unless settings say otherwise."""


def guide_share(own: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """A guide's limit as a share of its student's, which `limit_fraction` says among its own
    settings, and these without it.
    """
    own = dict(own)
    if "margin" in own:
        warn_once("the setting 'guide.margin' is now called 'guide.limit_fraction'")
        own.setdefault("limit_fraction", own.pop("margin"))
    return number("guide.limit_fraction", own.pop("limit_fraction", GUIDE_LIMIT_FRACTION)), own


def check_acquired(
    run: StudentRun, knowledge: Mapping[str, Any], *, lengths: tuple[int, int] = (1, 1)
) -> None:
    """Refuses settings of a guide, by kind of knowledge, that would not fit its student.

    What `load_knowledge` refuses of files, as far as settings say it. Limits are those of episodes
    of `lengths`, the guide's and the student's.
    """
    guide = knowledge.get("guide")
    if not isinstance(guide, GuideSettings):
        return
    check_patience(guide, within="guide.")
    _check_limits(guide.limit, run.limit, *lengths)
    if run.takeover.pessimism and guide.learning.cost_critics == 1:
        raise HandrailError(
            f"takeover.pessimism is {run.takeover.pessimism:g}, but guide.learning.cost_critics is "
            "1: one critic cannot disagree with itself; set it to several, such as 5, or pessimism "
            "to 0"
        )
    if run.source_data and not guide.keep:
        raise HandrailError(
            "source_data is true, but guide.keep is 0: expected the number of steps to keep, such "
            f"as {SOURCE_STEPS}"
        )
    check_cost_floor(run.learning, guide.learning.discount, source="guide.learning.discount")


def _check_limits(guide: float, student: float, learns: int, acts: int) -> None:
    """Refuses a guide's limit that allows more a step than its student's, of these lengths."""
    most = student * learns / acts
    if guide <= most * (1 + 1e-9):
        return
    if learns == acts:
        where = f"above the student's {student:g}: expected at most that"
    else:
        where = (
            f"for episodes of {learns:,} steps, and the student's {student:g}, for {acts:,}: "
            f"expected at most {most:.3g}, as much a step"
        )
    raise HandrailError(f"guide.limit is {guide:g}, {where}, better a fifth of it")
