"""Which of the methods' triggers are right, on the same states: `handrail check-triggers`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.interventions.base import AbstractTrigger
from handrail.learners.sac.networks import OnVectors, Sampled
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.shield import random_actions
from handrail.methods.sagui.student_knowledge import as_tested, load_knowledge
from handrail.methods.sagui.table import METHODS
from handrail.methods.sagui.train_student import takeover
from handrail.train.rollout.base import Drawn
from handrail.train.warnings import harm_follows, rate, watch


def triggers_of(
    target: Target, run: StudentRun, files: Mapping[str, Path]
) -> dict[str, AbstractTrigger]:
    """What the methods take over by, before harm, of those whose knowledge these files are; by the
    method's name, and without the budget. All at the thresholds of the run.
    """
    kinds = set(files)
    if METHODS[run.method].when is None:
        offered = ", ".join(name for name, row in METHODS.items() if row.when is not None)
        raise HandrailError(
            f"method {run.method!r} foresees nothing: expected a run of one of {offered}"
        )
    run = as_tested(run)
    loaded = load_knowledge(target, run, files)
    how = takeover(target, run, loaded.file)
    return {
        name: row.when(how, loaded.known)
        for name, row in METHODS.items()
        if row.when is not None and set(row.needs) <= kinds
    }


def check_triggers(
    target: Target,
    run: StudentRun,
    files: Mapping[str, Path],
    policy: OnVectors | None,
    *,
    within: int,
    episodes: int,
    key: Key[Array, ""],
) -> list[dict[str, Any]]:
    """A row a trigger, as of `warnings.rate`, and last how often harm follows at all (`any`).

    All judge the same episodes of the student by itself or, without a policy, of random actions
    that are held for a while. Nobody steps in.
    """
    triggers = triggers_of(target, run, files)
    drives = random_actions(target.interface.actions) if policy is None else Drawn(Sampled(policy))
    keys = jax.random.split(stream(key, "watched"), episodes)
    steps = watch(target.testing, drives, triggers, keys=keys, longest=target.longest)
    rows = [{"trigger": name, **rate(steps, steps.records[name], within=within)}
            for name in triggers]  # fmt: skip
    running = np.asarray(steps.running, bool)
    harm = harm_follows(np.asarray(steps.costs), running, within) & running
    base = float(harm.sum() / running.sum())
    return [*rows, {"trigger": "any step", "fired": 1.0, "precision": base,
                    "recall": 1.0, "foreseen": 1.0}]  # fmt: skip
