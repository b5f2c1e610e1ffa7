"""Who acts when in a run that is over: its intervention, as a value."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from handrail.interventions.base import Intervention
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.student_knowledge import FittedKnowledge, load_knowledge
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import check, who_acts


def acts_instead(method: str) -> str:
    """What acts in a student's place under a method, in words; empty where nothing does."""
    row = METHODS[method]
    return "the guide" if row.has_guide else "the expert" if "expert" in row.needs else ""


def intervention_of(target: Target, run: StudentRun, files: Mapping[str, Path]) -> Intervention:
    """The intervention of a run, without the random intervals in which a guide acts too.

    `files` are those of its knowledge by kind. Raises `HandrailError` where knowledge is missing
    or does not fit.
    """
    loaded = FittedKnowledge(Known())
    if acts_instead(run.method):
        check(run, files)
        loaded = load_knowledge(target, dataclasses.replace(run, source_data=False), files)
    return who_acts(target, run, loaded)
