"""What a student brings along, out of its files."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.base import action_size
from handrail.learners.sac.source_data import SourceData
from handrail.methods.sagui.agents import check_cost_floor
from handrail.methods.sagui.guide import random_guide
from handrail.methods.sagui.guide_file import GuideFile, as_view, open_guide
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.offline_batch import load_steps
from handrail.methods.sagui.pretraining import goes_on_from, open_policy
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.state_check import open_encoder
from handrail.methods.sagui.table import METHODS


@dataclasses.dataclass(frozen=True)
class FittedKnowledge:
    """What a run brings along, found to fit the target."""

    known: Known
    file: GuideFile | None = None
    source: SourceData | None = None
    pretrained: Any = None
    """The whole state of a learner to go on from: `SacState`, or `OnPolicyState`."""


def as_tested(run: StudentRun) -> StudentRun:
    """A finished run, to be tested: it learns from nothing any longer, and what it remembered of
    unsafe states is not kept, so that those of its encoder's file stand for them.
    """
    near = dataclasses.replace(run.near, bring_known=True)
    return dataclasses.replace(run, source_data=False, near=near)


def load_knowledge(target: Target, run: StudentRun, files: Mapping[str, Path]) -> FittedKnowledge:
    """Everything that the run brings along. Raises `HandrailError` where it does not fit."""
    method = METHODS[run.method]
    if method.untrained_guide:
        key = stream(jax.random.key(10 * run.seed), "random guide")
        view = as_view(target.view or (lambda observation: observation))
        learning = run.learning
        guide = random_guide(target.interface, view, learning.hidden, learning.discount, key=key)
        return FittedKnowledge(Known(guide))
    if "expert" in method.needs:
        return FittedKnowledge(
            Known(expert=open_policy(files["expert"], target.interface, "expert")[1])
        )
    if "pretrained" in method.needs:
        return FittedKnowledge(Known(), pretrained=goes_on_from(files["pretrained"], target, run))
    if not method.needs_guide:
        return FittedKnowledge(Known())
    path = files["guide"]
    file = open_guide(target.outside or path, target.interface, view=target.view)
    file.allowed(run.limit)
    check_cost_floor(run.learning, file.guide.discount, source=str(path))
    source = None
    if run.source_data:
        if target.interface.limits:
            raise HandrailError(
                "source_data is true, but the environment has several costs, and steps are kept "
                "of one: leave it out"
            )
        _, source = load_steps(
            path, file.guide.view, target.interface.observation,
            actions=action_size(target.interface.actions),
        )  # fmt: skip
    embedding = open_encoder(files["encoder"], target) if "encoder" in method.needs else None
    return FittedKnowledge(Known(file.guide, embedding=embedding), file, source)
